/** The REST interface: every route with the role that it needs, ready to copy and to try. */
import { download } from "../lib/download.js";
import { html } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Chip, CopyButton, ProblemBox, SearchBox } from "../lib/parts.js";
import { setQuery } from "../lib/router.js";
import { curl } from "../lib/snippets.js";
import { useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { TryDrawer } from "./try-route.js";

const TONES = { GET: "good", POST: "busy", PUT: "busy", PATCH: "warn", DELETE: "bad" };

/** @param {{query: Record<string, string>}} props */
export default function Api({ query }) {
  const { data, problem, loaded } = useRest("");
  const { data: specification } = useRest("openapi.json");
  const trying = (data?.routes ?? []).find((/** @type {any} */ route) => query.try === `${route.method} ${route.path}`);
  const text = (query.search ?? "").toLowerCase();
  const rows = (data?.routes ?? []).map((/** @type {any} */ route) => ({ ...route, id: `${route.method} ${route.path}` }))
    .filter((/** @type {any} */ route) => !text || `${route.id} ${route.summary} ${route.role}`.toLowerCase().includes(text));
  const save = () => download("openapi.json", JSON.stringify(specification, null, 2), "application/json");
  return html`<div class="page-head"><div><h1>API</h1><p>Everything on these pages, as JSON</p></div><button type="button" class="button" disabled=${!specification} onClick=${save}><${Icon} name="save" size=${14} />OpenAPI</button></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Path, meaning or role" onInput=${(/** @type {string} */ search) => setQuery({ search })} /></div>
    <${ProblemBox} problem=${problem} /><${Table} fill label="Routes" columns=${COLUMNS} rows=${rows} loaded=${loaded} onOpen=${(/** @type {any} */ row) => setQuery({ try: row.id })} empty=${html`<p class="empty">No route fits.</p>`} />
    ${trying && specification && html`<${TryDrawer} key=${query.try} route=${trying} specification=${specification} onClose=${() => setQuery({ try: "" })} />`}`;
}

/** @param {any} route */
const command = (route) => curl({ method: route.method, path: route.path.replace(/^\/api\/v1\/?/, "").replaceAll("{", "").replaceAll("}", ""), body: route.method === "GET" || route.method === "DELETE" ? undefined : {} });

const COLUMNS = [
  { key: "method", title: "Method", width: 92, rank: 0, cell: (/** @type {any} */ row) => html`<${Chip} tone=${TONES[row.method] ?? ""}>${row.method}<//>` },
  { key: "path", title: "Path", width: 230, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<button type="button" class="link mono small" title="Try ${row.path}" onClick=${() => setQuery({ try: row.id })}>${row.path}</button>` },
  { key: "summary", title: "What it does", width: 330, grow: 1, rank: 2, cell: (/** @type {any} */ row) => html`<span class="faint" title=${row.summary}>${row.summary}</span>` },
  { key: "role", title: "Role", width: 90, rank: 1, cell: (/** @type {any} */ row) => row.role ?? "anyone" },
  { key: "action", title: "Action", width: 140, rank: 4, cell: (/** @type {any} */ row) => html`<span class="faint">${row.action ?? ""}</span>` },
  { key: "copy", title: "", width: 116, rank: 3, align: /** @type {"end"} */ ("end"), cell: (/** @type {any} */ row) => html`<${CopyButton} text=${command(row)} label="Copy curl" />` },
];
