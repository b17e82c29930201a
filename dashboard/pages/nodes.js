/** The processes of the cluster: what each uses, and whether its loop keeps up. */
import { age, bytes, count, duration, percent, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Chip, Empty, Num, Partial, ProblemBox, State, nodeNames } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { go, link, setQuery } from "../lib/router.js";
import { sortRows } from "../lib/store.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {{query: Record<string, string>}} props */
export default function Nodes({ query }) {
  const subscription = useLive({ topic: "nodes", limit: 200 });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const sort = query.sort ?? "name";
  const end = /** @type {"end"} */ ("end");
  const columns = [
    { key: "name", title: "Node", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("nodes", row.id)} title=${row.id}>${nodeNames.get(row.id) ?? row.name}</a> ${row.self && html`<${Chip} title="answers this page">this<//>`}` },
    { key: "status", title: "State", width: 96, rank: 0, cell: (/** @type {any} */ row) => html`<${State} value=${row.draining ? "leaving" : row.status} />` },
    { key: "addr", title: "Address", width: 140, rank: 6, cell: (/** @type {any} */ row) => html`<span class="mono small">${row.addr}</span>` },
    { key: "cpu_ratio", title: "CPU", width: 76, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<span title="of one core">${percent(row.cpu_ratio)}</span>` },
    { key: "rss_bytes", title: "Memory", width: 90, align: end, rank: 3, cell: (/** @type {any} */ row) => bytes(row.rss_bytes) },
    { key: "loop_lag_s.p99", title: "Loop lag", width: 90, align: end, rank: 2, hint: "p99 of how late a timer of 100 ms comes", cell: (/** @type {any} */ row) => duration(row.loop_lag_s?.p99) },
    { key: "actors", title: "Actors", width: 80, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<a class="quiet" href=${link("actors", "", { node: row.id })}><${Num} value=${row.actors} as=${count} /></a>` },
    { key: "rate", title: "Messages", width: 90, align: end, rank: 2, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<${Num} value=${rates(row, "messages_total")} as=${rate} />` },
    { key: "mailbox_messages", title: "Waiting", width: 84, align: end, rank: 4, cell: (/** @type {any} */ row) => html`<${Num} value=${row.mailbox_messages} as=${count} />` },
    { key: "errors_total", title: "Errors", width: 76, align: end, rank: 3, cell: (/** @type {any} */ row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} /></span>` },
    { key: "fds", title: "Files", width: 84, align: end, rank: 7, hint: "open file descriptors and their limit", cell: (/** @type {any} */ row) => (row.fds == null ? "–" : html`${count(row.fds)}<span class="faint"> / ${count(row.fds_max)}</span>`) },
    { key: "uptime_s", title: "Up", width: 90, align: end, rank: 5, cell: (/** @type {any} */ row) => age(row.uptime_s) },
    { key: "version", title: "Version", width: 84, rank: 8, cell: (/** @type {any} */ row) => row.version ?? "" },
  ];
  return html`<div class="page-head"><div><h1>Nodes</h1><p>${view.loaded ? `${count(view.total)} ${view.total === 1 ? "process" : "processes"}` : " "}</p></div></div>
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <${Table} label="Nodes" columns=${columns} rows=${sortRows(view.rows, sort)} loaded=${view.loaded} sort=${sort} onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onOpen=${(/** @type {any} */ row) => go(link("nodes", row.id))} empty=${!view.problem && html`<${Empty} name="nodes" />`} />`;
}
