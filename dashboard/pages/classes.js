/** What can be spawned and called: the catalogue of classes, and every method by calls, time and errors. */
import { className, count, duration } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Act } from "../lib/actions.js";
import { Chip, Empty, NodeLink, Num, ProblemBox, SearchBox, Segments } from "../lib/parts.js";
import { go, link, setQuery } from "../lib/router.js";
import { sortRows } from "../lib/store.js";
import { useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { SpawnDrawer } from "./spawn.js";

/** @param {{query: Record<string, string>}} props */
export default function Classes({ query }) {
  const methods = query.view === "methods";
  const [spawning, setSpawning] = useState("");
  return html`<div class="page-head"><div><h1>Classes</h1><p>What this cluster can spawn and call</p></div>
      <${Segments} label="View" value=${methods ? "methods" : ""} options=${[["", "classes"], ["methods", "methods"]]} onChange=${(/** @type {string} */ view) => setQuery({ view, sort: "", search: "" })} /></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder=${methods ? "Class or method" : "Class"} onInput=${(/** @type {string} */ search) => setQuery({ search })} /></div>
    ${methods ? html`<${Methods} query=${query} />` : html`<${Catalogue} query=${query} onSpawn=${setSpawning} />`}
    ${spawning && html`<${SpawnDrawer} wanted=${spawning} onClose=${() => setSpawning("")} />`}`;
}

/** @param {any[]} rows @param {string} text @param {string[]} fields */
const searched = (rows, text, fields) => (text ? rows.filter((row) => fields.some((field) => String(row[field]).toLowerCase().includes(text.toLowerCase()))) : rows);

/** @param {{query: Record<string, string>, onSpawn: (name: string) => void}} props */
function Catalogue({ query, onSpawn }) {
  const { data, problem, loaded } = useRest("classes", { limit: 1000 }, 3_000);
  const sort = query.sort ?? "class";
  const rows = sortRows(searched(data?.items ?? [], query.search, ["class", "doc"]), sort);
  const columns = [
    { key: "class", title: "Class", width: 170, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("classes", row.class)} title=${row.class}>${className(row.class)}</a> <span class="faint">${row.class.slice(0, -className(row.class).length - 1)}</span>` },
    { key: "doc", title: "What it does", width: 240, grow: 1, rank: 6, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<span class="faint" title=${row.doc}>${row.doc}</span>` },
    { key: "kind", title: "Kind", width: 90, rank: 5, cell: (/** @type {any} */ row) => html`<${Chip} tone=${row.kind === "agent" ? "accent" : ""}>${row.kind}<//>` },
    { key: "nodes", title: "Nodes", width: 130, rank: 7, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => (row.nodes.length > 2 ? `${row.nodes.length} nodes` : row.nodes.map((/** @type {string} */ id, /** @type {number} */ at) => html`${at ? ", " : ""}<${NodeLink} id=${id} />`)) },
    { key: "actors", title: "Actors", width: 80, align: /** @type {"end"} */ ("end"), rank: 1, cell: (/** @type {any} */ row) => html`<a class="quiet" href=${link("actors", "", { class: row.class })}><${Num} value=${row.actors} as=${count} /></a>` },
    { key: "messages_total", title: "Messages", width: 92, align: /** @type {"end"} */ ("end"), rank: 2, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
    { key: "errors_total", title: "Errors", width: 80, align: /** @type {"end"} */ ("end"), rank: 3, cell: (/** @type {any} */ row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} /></span>` },
    { key: "restarts_total", title: "Restarts", width: 84, align: /** @type {"end"} */ ("end"), rank: 4, cell: (/** @type {any} */ row) => html`<${Num} value=${row.restarts_total} as=${count} />` },
    { key: "spawn", title: "", width: 76, sort: /** @type {false} */ (false), rank: 1, align: /** @type {"end"} */ ("end"), cell: (/** @type {any} */ row) => (row.spawnable ? html`<${Act} action="actor.spawn" class="button small ghost" onClick=${() => onSpawn(row.class)}>Spawn<//>` : html`<span class="faint small" title=${row.why_not}>not here</span>`) },
  ];
  return html`<${ProblemBox} problem=${problem} /><${Table} fill label="Classes" columns=${columns} rows=${rows} loaded=${loaded} sort=${sort} onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onOpen=${(/** @type {any} */ row) => go(link("classes", row.class))} empty=${html`<${Empty} name="classes" />`} />`;
}

/** @param {{query: Record<string, string>}} props */
function Methods({ query }) {
  const { data, problem, loaded } = useRest("methods", { limit: 1000 }, 2_000);
  const sort = query.sort ?? "-messages_total";
  const rows = sortRows(searched(data?.items ?? [], query.search, ["class", "method"]), sort);
  const streams = rows.some((row) => typeof row.streams_open === "number");
  const end = /** @type {"end"} */ ("end");
  const columns = [
    { key: "method", title: "Method", width: 190, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("classes", row.class)} title=${row.class}><span class="faint">${className(row.class)}.</span>${row.method}</a>` },
    { key: "kind", title: "Kind", width: 84, rank: 6, cell: (/** @type {any} */ row) => row.kind ?? "" },
    { key: "messages_total", title: "Calls", width: 92, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
    { key: "errors_total", title: "Errors", width: 80, align: end, rank: 2, cell: (/** @type {any} */ row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} /></span>` },
    { key: "handle_s.p50", title: "p50", width: 84, align: end, rank: 5, cell: (/** @type {any} */ row) => duration(row.handle_s?.p50) },
    { key: "handle_s.p95", title: "p95", width: 84, align: end, rank: 4, cell: (/** @type {any} */ row) => duration(row.handle_s?.p95) },
    { key: "handle_s.p99", title: "p99", width: 84, align: end, rank: 1, cell: (/** @type {any} */ row) => duration(row.handle_s?.p99) },
    { key: "handle_s.max", title: "Max", width: 84, align: end, rank: 7, cell: (/** @type {any} */ row) => duration(row.handle_s?.max) },
    { key: "handle_total_s", title: "Busy time", width: 92, align: end, rank: 6, cell: (/** @type {any} */ row) => duration(row.handle_total_s) },
    { key: "long_turns_total", title: "Long turns", width: 92, align: end, rank: 6, hint: "turns that held the loop too long", cell: (/** @type {any} */ row) => html`<${Num} value=${row.long_turns_total} as=${count} />` },
    { key: "streams_open", title: "Streams", hidden: !streams, width: 80, align: end, rank: 8, cell: (/** @type {any} */ row) => html`<${Num} value=${row.streams_open} as=${count} />` },
  ];
  return html`<${ProblemBox} problem=${problem} /><${Table} fill label="Methods" columns=${columns} rows=${rows} loaded=${loaded} sort=${sort} onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onOpen=${(/** @type {any} */ row) => go(link("classes", row.class))}
    empty=${html`<div class="empty"><h3>No method has been called yet</h3><p>Calls, errors and times appear here with the first call.</p></div>`} />`;
}
