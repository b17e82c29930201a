/** What this node is set to, and where each value comes from. */
import { html } from "../lib/html.js";
import { Chip, ProblemBox, SearchBox } from "../lib/parts.js";
import { setQuery } from "../lib/router.js";
import { useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {any} value */
const shown = (value) => (value === null || value === undefined ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** @param {{query: Record<string, string>}} props */
export default function Config({ query }) {
  const { data, problem, loaded } = useRest("config", { limit: 1000 });
  const text = (query.search ?? "").toLowerCase();
  const rows = (data?.items ?? []).filter((/** @type {any} */ row) => !text || `${row.key} ${row.doc ?? ""} ${row.env ?? ""}`.toLowerCase().includes(text)).map((/** @type {any} */ row) => ({ ...row, id: row.key }));
  return html`<div class="page-head"><div><h1>Configuration</h1><p>of the node that serves this page</p></div></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Key or meaning" onInput=${(/** @type {string} */ search) => setQuery({ search })} /></div>
    <${ProblemBox} problem=${problem} /><${Table} fill label="Configuration" columns=${COLUMNS.map((column) => ({ ...column, hidden: column.rank > 1 && !rows.some((/** @type {any} */ row) => row[column.key]) }))} rows=${rows} loaded=${loaded} empty=${html`<p class="empty">Nothing is called that.</p>`} />`;
}

const COLUMNS = [
  { key: "key", title: "Key", width: 250, rank: 0, cell: (/** @type {any} */ row) => html`<b class="mono small">${row.key}</b>` },
  { key: "value", title: "Value", width: 170, rank: 0, grow: 1, cell: (/** @type {any} */ row) => html`<span class="mono small" title=${shown(row.value)}>${shown(row.value)}</span>` },
  { key: "source", title: "From", width: 96, rank: 1, cell: (/** @type {any} */ row) => html`<${Chip} tone=${row.source === "default" ? "" : "accent"}>${row.source}<//>` },
  { key: "env", title: "Environment", width: 230, rank: 3, cell: (/** @type {any} */ row) => html`<span class="mono small faint" title=${row.env}>${row.env}</span>` },
  { key: "type", title: "Type", width: 90, rank: 4, cell: (/** @type {any} */ row) => html`<span class="faint" title=${row.type}>${row.type ?? ""}</span>` },
  { key: "doc", title: "Meaning", width: 280, grow: 1, rank: 2, cell: (/** @type {any} */ row) => html`<span class="faint" title=${row.doc}>${row.doc}</span>` },
];
