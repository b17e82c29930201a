/** One node: its process, its loop, its limits and the versions it runs. */
import { part } from "../lib/api.js";
import { age, bytes, className, count, duration, limit, percent } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Ago, Chip, Facts, Num, Panel, ProblemBox, Skeleton, State, nodeNames } from "../lib/parts.js";
import { go, link } from "../lib/router.js";
import { useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {{id: string}} props */
export default function NodePage({ id }) {
  const { data: node, problem, loaded } = useRest(`nodes/${part(id)}`, {}, 2_000);
  const crumbs = html`<p class="crumbs"><a href=${link("nodes")}>Nodes</a> /</p>`;
  if (!loaded) return html`<${Skeleton} lines=${10} />`;
  if (!node) return html`${crumbs}<${ProblemBox} problem=${problem} />`;
  const columns = [
    { key: "class", title: "Class", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("classes", row.class)} title=${row.class}>${className(row.class)}</a>` },
    { key: "actors", title: "Actors", width: 90, align: /** @type {"end"} */ ("end"), rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.actors} as=${count} />` },
    { key: "messages", title: "Messages", width: 100, align: /** @type {"end"} */ ("end"), rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
  ];
  const list = (/** @type {Record<string, any>} */ values, /** @type {(key: string, value: any) => string} */ as) => Object.entries(values).map(([key, value]) => /** @type {[string, any]} */ ([key, as(key, value)]));
  return html`<div class="page-head"><div>${crumbs}<div class="row"><h1>${nodeNames.get(node.id) ?? node.name}</h1><${State} value=${node.draining ? "leaving" : node.status} />${node.self && html`<${Chip}>answers this page<//>`}</div><p class="mono">${node.id} · ${node.addr}</p></div>
      <div class="toolbar">${node.actors != null && html`<a class="button" href=${link("actors", "", { node: node.id })}>${count(node.actors)} ${node.actors === 1 ? "actor" : "actors"}</a>`}</div></div>
    <${ProblemBox} problem=${problem} />
    <div class="grid"><${Panel} class="w8" title="Process"><${Facts} items=${[["CPU", percent(node.cpu_ratio), "of one core"], ["CPU time", duration(node.cpu_s_total)], ["Memory", bytes(node.rss_bytes)], ["Open files", node.fds == null ? null : `${count(node.fds)} / ${count(node.fds_max)}`], ["Threads", count(node.threads)], ["Up", age(node.uptime_s)], ["Started", html`<${Ago} at=${node.started_at} />`], ["Host", node.host], ["Process id", node.pid], ["Python", node.python], ["Loop", node.loop], ["Version", node.version]]} /><//>
      <${Panel} class="w4" title="Event loop"><${Facts} items=${[["Lag p50", duration(node.loop_lag_s?.p50)], ["Lag p99", duration(node.loop_lag_s?.p99)], ["Lag max", duration(node.loop_lag_s?.max)], ...(node.gc ?? []).map((/** @type {any} */ each, /** @type {number} */ at) => [`GC ${at}`, `${count(each.collections)} runs`])]} /><//>
      <${Panel} class="w4" title="Work"><${Facts} items=${[["Messages", count(node.messages_total)], ["Errors", count(node.errors_total)], ["Waiting", count(node.mailbox_messages)], ["Queues", count(node.queues)], ["Topics", count(node.topics)], ["Links", count(node.links)], ["Restarts", count(node.restarts_total)], ["Dead letters", count(node.dead_letters_total)]]} /><//>
      <${Panel} class="w8" title="Classes with most actors" flush><${Table} label="Classes" columns=${columns} rows=${node.top_classes ?? []} onOpen=${(/** @type {any} */ row) => go(link("actors", "", { node: node.id, class: row.class }))} empty=${html`<p class="pad faint">No actors on this node.</p>`} /><//>
      ${node.limits && html`<${Panel} class="w6" title="Limits"><${Facts} items=${list(node.limits, limit)} /><//>`}
      ${node.packages && html`<${Panel} class="w6" title="Packages"><${Facts} items=${list(node.packages, (_, value) => String(value))} /><//>`}</div>`;
}
