/** The first page: what is alive, slow, stuck or failing, each number a way to the list that explains it. */
import { get } from "../lib/api.js";
import { Chart, Sparkline } from "../lib/chart.js";
import { EventList } from "../lib/eventlist.js";
import { age, bytes, className, count, duration, percent, rate } from "../lib/format.js";
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { ActorLink, Ago, ClassLink, Empty, Num, Panel, Partial, ProblemBox, Segments, Skeleton, State, nodeNames } from "../lib/parts.js";
import { offers } from "../lib/offers.js";
import { ratesOf } from "../lib/rates.js";
import { go, link, setQuery } from "../lib/router.js";
import { useLive, useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { troubles } from "../lib/troubles.js";
import { TroubleList } from "./problems.js";
import { seen } from "../lib/trail-seen.js";
import { NO_TRAIL, fromHistory, growth, joined, recent } from "../lib/trail.js";

const NAMES = "actors,mailbox_messages,messages_total,errors_total,dead_letters_total,handle_p50_s,handle_p99_s,wait_p50_s,wait_p99_s,queue_max_lag,queue_puts_total,queue_reads_total,members,rss_bytes,cpu_s_total";
const RANGES = { "10m": 600, "6h": 21_600, "24h": 86_400 };

/** @param {string} range @param {boolean} kept */
function useHistory(range, kept) {
  const [history, setHistory] = useState(NO_TRAIL);
  useEffect(() => {
    if (!kept) return setHistory(NO_TRAIL);
    let gone = false;
    const load = () => get("timeseries", { names: NAMES, range, scope: "cluster" }).then((body) => !gone && setHistory(fromHistory(body)), () => !gone && setHistory(NO_TRAIL));
    load();
    const timer = range === "10m" ? undefined : setInterval(load, 60_000);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [range, kept]);
  return history;
}

/** @param {{query: Record<string, string>}} props */
export default function Overview({ query }) {
  const subscription = useLive({ topic: "overview" });
  const nodes = useLive({ topic: "nodes", limit: 200 });
  const view = subscription.view.value;
  const data = view.rows[0];
  const kept = Boolean(data) && offers("GET", "/timeseries");
  const range = kept && RANGES[query.range] ? query.range : "10m";
  const history = useHistory(range, kept);
  const trail = useMemo(() => recent(joined(history, seen.value), RANGES[range]), [history, seen.value, range]);
  if (!data) return view.problem ? html`<${ProblemBox} problem=${view.problem} />` : html`<${Skeleton} lines=${12} />`;
  return html`<div class="page-head"><div><h1>${data.cluster.name}</h1><p>${statusLine(data)}</p></div>
      ${kept && html`<${Segments} label="Range" value=${range} onChange=${(/** @type {string} */ value) => setQuery({ range: value === "10m" ? "" : value })} options=${Object.keys(RANGES).map((each) => [each, each])} />`}</div>
    <${Partial} view=${view.partial ? view : { ...view, partial: data.partial, errors: data.errors ?? [] }} />
    <${Attention} data=${data} nodes=${nodes.view.value.rows} />
    <${Tiles} data=${data} trail=${trail} />
    <${Charts} trail=${trail} latency=${Boolean(data.latency)} />
    <div class="grid"><${Busiest} rows=${data.busiest ?? []} /><${Methods} methods=${data.methods ?? {}} /></div>
    <div class="grid"><${Panel} class="w7" title="Last events" flush actions=${html`<a href=${link("events")}>All events</a>`}>
        ${data.events?.length ? html`<${EventList} events=${data.events.slice(0, 12)} short />` : html`<${Empty} name="events" />`}<//>
      <div class="w5 stack gap"><${NodesPanel} nodes=${nodes} />${data.checks && html`<${Checks} checks=${data.checks} />`}</div></div>`;
}

/** What needs somebody, in one line each; nothing where all is well. @param {{data: any, nodes: any[]}} props */
function Attention({ data, nodes }) {
  const { data: checks } = useRest("health/checks", { limit: 100 }, 10_000);
  const found = troubles({ overview: data, nodes, checks: checks?.items });
  if (!found.length) return null;
  return html`<${Panel} title="Needs attention" flush actions=${html`<a href=${link("problems")}>All problems</a>`}><${TroubleList} troubles=${found.slice(0, 5)} /><//>`;
}

/** @param {any} data */
export function statusLine({ cluster, node }) {
  const parts = Object.entries(cluster.by_status ?? {}).filter(([, n]) => n);
  const all = Math.max(cluster.size, parts.reduce((sum, [, n]) => sum + n, 0));
  const agreement = cluster.agreed === false ? " · the nodes' views differ" : "";
  return `${all} ${all === 1 ? "node" : "nodes"}: ${parts.map(([status, n]) => `${n} ${status}`).join(", ")}${agreement} · answered by ${node.name}, up ${age(node.uptime_s)}`;
}

/** Numbers worth a tile, the most telling first; those that this node cannot tell give way to the next.
 * @param {any} data @param {import("../lib/trail.js").Trail} trail */
function tilesOf({ totals, latency, cluster }, { times, series }) {
  const messages = growth(times, series.messages_total);
  const errors = growth(times, series.errors_total);
  const cpu = growth(times, series.cpu_s_total);
  const put = growth(times, series.queue_puts_total);
  const published = growth(times, series.publishes_total);
  const last = (/** @type {Array<number | null>} */ values) => values[values.length - 1] ?? null;
  const down = (cluster.by_status?.dead ?? 0) + (cluster.by_status?.suspect ?? 0);
  const tiles = [
    { label: "Actors", known: totals.actors, value: count(totals.actors), of: `${count(totals.agents ?? 0)} ${totals.agents === 1 ? "agent" : "agents"}`, to: link("actors"), values: series.actors, tone: "c1", metric: "pulsing_actors" },
    { label: "Messages", known: 1, value: rate(last(messages)), of: `${count(totals.messages_total)} in all`, to: link("actors", "", { sort: "-messages_total" }), values: messages, tone: "c1", metric: "pulsing_actor_messages_total" },
    { label: "Errors", known: totals.errors_total, value: rate(last(errors)), of: `${count(totals.errors_total)} in all`, to: link("actors", "", { sort: "-errors_total" }), values: errors, tone: errors.some((value) => value) ? "bad" : "c3", state: (last(errors) ?? 0) > 0 ? "bad" : "", metric: "pulsing_actor_errors_total" },
    { label: "Handle p99", known: latency?.handle_s?.p99, value: duration(latency?.handle_s?.p99), of: `p50 ${duration(latency?.handle_s?.p50)}`, to: link("classes", "", { view: "methods", sort: "-handle_s.p99" }), values: series.handle_p99_s, tone: "c2", metric: "pulsing_actor_handle_seconds" },
    { label: "Wait p99", known: latency?.wait_s?.p99, value: duration(latency?.wait_s?.p99), of: `oldest ${duration(totals.mailbox_oldest_s)}`, to: link("actors", "", { sort: "-mailbox_oldest_s" }), values: series.wait_p99_s, tone: "c2", metric: "pulsing_actor_mailbox_wait_seconds" },
    { label: "Waiting", known: latency ? null : totals.mailbox_messages, value: count(totals.mailbox_messages), of: totals.mailbox_oldest_s ? `oldest ${duration(totals.mailbox_oldest_s)}` : "in mailboxes", to: link("actors", "", { sort: "-mailbox" }), values: series.mailbox_messages, tone: "c2", metric: "pulsing_actor_mailbox_messages" },
    { label: "Dead letters", known: totals.dead_letters_total, value: count(totals.dead_letters_total), of: `${count(totals.restarts_total)} restarts`, to: link("dead-letters"), values: series.dead_letters_total, tone: "c3", state: totals.dead_letters_total ? "warn" : "", metric: "pulsing_dead_letters_total" },
    { label: "Queue lag", known: totals.queue_max_lag, value: count(totals.queue_max_lag), of: `${count(totals.queue_records)} records`, to: link("queues", "", { sort: "-max_lag" }), values: series.queue_max_lag, tone: "c3", metric: "pulsing_queue_reader_lag_records" },
    { label: "Members", known: cluster.size, value: count(cluster.by_status?.alive ?? cluster.size), of: down ? `${down} not alive` : `${bytes(totals.rss_bytes)}`, to: link("nodes"), values: series.members, tone: "c1", state: down ? "bad" : "", metric: "pulsing_cluster_members" },
    { label: "Records put", known: totals.queue_puts_total, value: rate(last(put)), of: `${count(totals.queue_records)} kept`, to: link("queues"), values: put, tone: "c3", metric: "pulsing_queue_put_records_total" },
    { label: "Published", known: totals.publishes_total, value: rate(last(published)), of: `${count(totals.subscribers)} subscribers`, to: link("topics"), values: published, tone: "c4", metric: "pulsing_topic_published_messages_total" },
    { label: "CPU", known: totals.cpu_s_total, value: percent(last(cpu)), of: "of one core", to: link("nodes", "", { sort: "-cpu_ratio" }), values: cpu, tone: "c2", metric: "process_cpu_seconds_total" },
    { label: "Memory", known: totals.rss_bytes, value: bytes(totals.rss_bytes), of: "resident", to: link("nodes", "", { sort: "-rss_bytes" }), values: series.rss_bytes, tone: "c4", metric: "process_resident_memory_bytes" },
  ];
  return tiles.filter((tile) => tile.known !== null && tile.known !== undefined).slice(0, 8);
}

/** @param {{data: any, trail: import("../lib/trail.js").Trail}} props */
const Tiles = ({ data, trail }) => html`<div class="tiles">${tilesOf(data, recent(trail, 600)).map((tile) => html`<a key=${tile.label} class="tile ${tile.state ?? ""}" href=${tile.to} title=${tile.metric}><span class="label">${tile.label}</span>
  <strong>${tile.value} <span class="of">${tile.of}</span></strong><${Sparkline} values=${tile.values ?? []} tone=${tile.tone} /></a>`)}</div>`;

/** @param {{trail: import("../lib/trail.js").Trail, latency: boolean}} props */
function Charts({ trail: { times, series }, latency }) {
  const messages = growth(times, series.messages_total);
  const errors = growth(times, series.errors_total);
  return html`<div class="grid"><${Panel} class="w6" title="Throughput" note="messages handled a second">
      <${Chart} label="Messages and errors a second" times=${times} data=${[messages, errors]} as=${rate} lines=${[{ label: "messages", colour: "--c1" }, { label: "errors", colour: "--bad" }]} /><//>
    ${latency ? html`<${Panel} class="w6" title="Latency" note="percentiles of all methods together"><${Chart} label="Handle and wait times" times=${times} as=${duration}
      data=${[series.handle_p99_s ?? [], series.handle_p50_s ?? [], series.wait_p99_s ?? []]} lines=${[{ label: "handle p99", colour: "--c2" }, { label: "handle p50", colour: "--c2", dash: true }, { label: "wait p99", colour: "--c3" }]} /><//>`
      : html`<${Panel} class="w6" title="Queues and topics" note="records and messages a second"><${Chart} label="Records put and read, messages published" times=${times} as=${rate}
      data=${[growth(times, series.queue_puts_total), growth(times, series.queue_reads_total), growth(times, series.publishes_total)]} lines=${[{ label: "put", colour: "--c3" }, { label: "read", colour: "--c2" }, { label: "published", colour: "--c4" }]} /><//>`}</div>`;
}

/** @param {{rows: any[]}} props */
function Busiest({ rows }) {
  const columns = [
    { key: "name", title: "Actor", width: 130, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<${ActorLink} row=${row} />` },
    { key: "class", title: "Class", width: 120, rank: 2, cell: (/** @type {any} */ row) => html`<${ClassLink} path=${row.class} />` },
    { key: "mailbox", title: "Waiting", width: 84, align: "end", rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.mailbox} as=${count} />` },
    { key: "oldest", title: "Oldest", width: 84, align: "end", rank: 1, cell: (/** @type {any} */ row) => duration(row.mailbox_oldest_s) },
  ];
  return html`<${Panel} class="w6" title="Busiest mailboxes" flush actions=${html`<a href=${link("actors", "", { sort: "-mailbox" })}>All actors</a>`}>
    <${Table} label="Busiest mailboxes" columns=${columns} rows=${rows.slice(0, 8)} onOpen=${(/** @type {any} */ row) => go(link("actors", row.id))} empty=${html`<p class="empty small">No mailbox has anything waiting.</p>`} /><//>`;
}

/** @param {{methods: any}} props */
function Methods({ methods }) {
  const [by, setBy] = useState("by_calls");
  const rows = (methods[by] ?? []).slice(0, 8).map((/** @type {any} */ row) => ({ ...row, id: `${row.class}.${row.method}` }));
  const columns = [
    { key: "method", title: "Method", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("classes", row.class)} title=${row.id}><span class="faint">${className(row.class)}.</span>${row.method}</a>` },
    { key: "calls", title: "Calls", width: 84, align: "end", rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
    { key: "p50", title: "p50", width: 84, align: "end", rank: 3, cell: (/** @type {any} */ row) => duration(row.handle_s?.p50) },
    { key: "p99", title: "p99", width: 84, align: "end", rank: 0, cell: (/** @type {any} */ row) => duration(row.handle_s?.p99) },
    { key: "errors", title: "Errors", width: 76, align: "end", rank: 2, cell: (/** @type {any} */ row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} /></span>` },
  ];
  return html`<${Panel} class="w6" title="Top methods" flush actions=${html`<${Segments} label="Order" value=${by} onChange=${setBy} options=${[["by_calls", "calls"], ["by_latency", "latency"], ["by_errors", "errors"]]} />`}>
    <${Table} label="Top methods" columns=${columns} rows=${rows} empty=${html`<p class="empty small">No method has been called yet.</p>`} onOpen=${(/** @type {any} */ row) => go(link("classes", row.class))} /><//>`;
}

/** @param {{nodes: any}} props */
function NodesPanel({ nodes }) {
  const { rows, loaded } = nodes.view.value;
  const rates = ratesOf(nodes);
  const columns = [
    { key: "name", title: "Node", width: 100, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("nodes", row.id)} title=${row.id}>${nodeNames.get(row.id) ?? row.name}</a>` },
    { key: "status", title: "State", width: 92, rank: 0, cell: (/** @type {any} */ row) => html`<${State} value=${row.status ?? "alive"} />` },
    { key: "actors", title: "Actors", width: 70, align: "end", rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.actors} as=${count} />` },
    { key: "msgs", title: "Messages", width: 84, align: "end", rank: 1, cell: (/** @type {any} */ row) => rate(rates(row, "messages_total")) },
    { key: "cpu", title: "CPU", width: 66, align: "end", rank: 2, cell: (/** @type {any} */ row) => percent(row.cpu_ratio) },
  ];
  return html`<${Panel} title="Nodes" flush actions=${html`<a href=${link("nodes")}>All nodes</a>`}><${Table} label="Nodes" columns=${columns} rows=${rows} loaded=${loaded} onOpen=${(/** @type {any} */ row) => go(link("nodes", row.id))} empty=${html`<${Empty} name="nodes" />`} /><//>`;
}

/** @param {{checks: any[]}} props */
const Checks = ({ checks }) => html`<${Panel} title="Failing checks" flush>${checks.length
  ? html`<ul class="log short">${checks.map((check) => html`<li key=${check.node + check.name}><${Ago} at=${check.since_at} /><${State} value=${check.status} /><span class="what"><a href=${link("health", "", { check: check.name })}>${check.name.replaceAll("_", " ")}</a>${check.node && html` <span class="faint">on ${nodeNames.get(check.node) ?? check.node}</span>`}</span></li>`)}</ul>`
  : html`<p class="pad"><${State} value="ok" /> <span class="faint">Nothing is failing.</span></p>`}<//>`;
