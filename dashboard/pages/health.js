/** The checks: each value beside the thresholds that make it a warning or worse. */
import { me } from "../lib/actions.js";
import { count, duration, percent } from "../lib/format.js";
import { html } from "../lib/html.js";
import { setQuery } from "../lib/router.js";
import { Ago, Chip, NodeLink, Panel, ProblemBox, Runbook, State } from "../lib/parts.js";
import { useLive, useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";

const ORDER = ["critical", "warn", "ok", "off"];

/** @param {any} value @param {string} unit */
function measure(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "s") return duration(value);
  if (unit === "ratio" || unit === "share") return percent(value);
  return typeof value === "number" ? `${count(value)}${unit === "1/s" ? "/s" : ""}` : String(value);
}

/** @param {{query: Record<string, string>}} props */
export default function Health({ query }) {
  const { data, problem, loaded } = useRest("health/checks", { limit: 100 }, 5_000);
  const rows = [...(data?.items ?? [])].sort((one, two) => ORDER.indexOf(one.status) - ORDER.indexOf(two.status) || one.name.localeCompare(two.name));
  const bad = rows.filter((row) => row.status === "warn" || row.status === "critical").length;
  const open = rows.find((row) => row.name === query.check) ?? (query.check === undefined ? rows.find((row) => row.status === "critical" || row.status === "warn") : undefined);
  const cluster = useLive({ topic: "overview" }).view.value.rows[0];
  const elsewhere = (cluster?.checks ?? []).filter((/** @type {any} */ check) => check.node && check.node !== me.value?.node?.id);
  const end = /** @type {"end"} */ ("end");
  const columns = [
    { key: "name", title: "Check", width: 160, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<b>${row.name}</b>` },
    { key: "status", title: "State", width: 100, rank: 0, cell: (/** @type {any} */ row) => html`<${State} value=${row.status} />` },
    { key: "value", title: "Value", width: 100, align: end, rank: 0, cell: (/** @type {any} */ row) => html`<span title=${row.unit}>${measure(row.value, row.unit)}</span>` },
    { key: "warn", title: "Warns at", width: 96, align: end, rank: 2, cell: (/** @type {any} */ row) => measure(row.warn, row.unit) },
    { key: "critical", title: "Critical at", width: 96, align: end, rank: 3, cell: (/** @type {any} */ row) => measure(row.critical, row.unit) },
    { key: "since", title: "Since", width: 110, align: end, rank: 1, cell: (/** @type {any} */ row) => (row.since_at ? html`<${Ago} at=${row.since_at} />` : html`<span class="faint">–</span>`) },
    { key: "detail", title: "About", width: 260, grow: 1, rank: 4, cell: (/** @type {any} */ row) => html`<span class="faint" title=${row.detail}>${row.detail}</span>` },
  ];
  return html`<div class="page-head"><div><h1>Health</h1><p>${loaded && !problem ? `${rows.length} checks every 5 s${me.value ? ` on ${me.value.node.name}, which answers` : ""}` : " "}</p></div>${loaded && rows.length > 0 && html`<${Chip} tone=${bad ? "warn" : "good"}>${bad ? `${bad} failing` : "all well"}<//>`}</div>
    <${ProblemBox} problem=${problem} /><${Table} label="Checks" columns=${columns} rows=${rows} loaded=${loaded} onOpen=${(/** @type {any} */ row) => setQuery({ check: row.name })} mark=${(/** @type {any} */ row) => (row === open ? "active" : "")} empty=${html`<p class="empty">No checks run on this node.</p>`} />
    ${elsewhere.length > 0 && html`<${Panel} title="Failing on other nodes" flush><ul class="log short">${elsewhere.map((/** @type {any} */ check) => html`<li key=${check.node + check.name}><${Ago} at=${check.since_at} /><${State} value=${check.status} /><span class="what"><b>${check.name}</b> on <${NodeLink} id=${check.node} /></span></li>`)}</ul><//>`}
    ${open?.runbook && html`<${Panel} title=${open.name.replaceAll("_", " ")} note="what it means and what to do"><${Runbook} runbook=${open.runbook} /><//>`}`;
}
