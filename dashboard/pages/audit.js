/** Who did what, when, and how it ended. */
import { count, duration } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Clock, Empty, ProblemBox, SearchBox, Segments, State } from "../lib/parts.js";
import { setQuery } from "../lib/router.js";
import { SaveMenu } from "../lib/save.js";
import { useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {{query: Record<string, string>}} props */
export default function Audit({ query }) {
  const { data, problem, loaded } = useRest("audit", { limit: 500, outcome: query.outcome }, 3_000);
  const text = (query.search ?? "").toLowerCase();
  const rows = (data?.items ?? []).filter((/** @type {any} */ row) => !text || `${row.action} ${row.principal} ${row.target} ${row.reason}`.toLowerCase().includes(text)).map((/** @type {any} */ row) => ({ ...row, id: String(row.seq) }));
  return html`<div class="page-head"><div><h1>Audit</h1><p>${data ? `${count(rows.length)} of the last ${count(data.total)}` : " "}</p></div><${SaveMenu} path="audit" name="audit" query=${{ outcome: query.outcome }} /></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Action, who or target" onInput=${(/** @type {string} */ search) => setQuery({ search })} /><${Segments} label="Outcome" value=${query.outcome ?? ""} onChange=${(/** @type {string} */ outcome) => setQuery({ outcome })} options=${[["", "all"], ["ok", "done"], ["refused", "refused"], ["failed", "failed"]]} /></div>
    <${ProblemBox} problem=${problem} /><${Table} fill label="Audit" columns=${COLUMNS} rows=${rows} loaded=${loaded} empty=${html`<${Empty} name="audit" />`} />`;
}

const COLUMNS = [
  { key: "at", title: "When", width: 132, rank: 0, cell: (/** @type {any} */ row) => html`<${Clock} at=${row.at} />` },
  { key: "action", title: "Action", width: 130, rank: 0, cell: (/** @type {any} */ row) => html`<b>${row.action}</b>` },
  { key: "target", title: "Target", width: 170, grow: 1, rank: 1, cell: (/** @type {any} */ row) => html`<span class="mono small" title=${row.target}>${row.target ?? ""}</span>` },
  { key: "outcome", title: "Outcome", width: 104, rank: 0, cell: (/** @type {any} */ row) => html`<${State} value=${row.outcome} />` },
  { key: "status", title: "Status", width: 70, align: /** @type {"end"} */ ("end"), rank: 5, cell: (/** @type {any} */ row) => row.status },
  { key: "principal", title: "Who", width: 120, rank: 2, cell: (/** @type {any} */ row) => html`${row.principal ?? "nobody"} <span class="faint">${row.role ?? ""}</span>` },
  { key: "client", title: "From", width: 110, rank: 6, cell: (/** @type {any} */ row) => html`<span class="mono small">${row.client ?? ""}</span>` },
  { key: "reason", title: "Reason", width: 150, rank: 4, cell: (/** @type {any} */ row) => html`<span title=${row.reason}>${row.reason ?? ""}</span>` },
  { key: "parameters", title: "Parameters", width: 200, rank: 5, cell: (/** @type {any} */ row) => html`<span class="mono small faint" title=${JSON.stringify(row.parameters)}>${row.parameters ? JSON.stringify(row.parameters) : ""}</span>` },
  { key: "took", title: "Took", width: 80, align: /** @type {"end"} */ ("end"), rank: 6, cell: (/** @type {any} */ row) => duration(row.took_s) },
];
