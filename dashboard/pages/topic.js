/** One topic: who listens and how well, what is said right now, and a way to say something. */
import { Act, act, whyNotFor } from "../lib/actions.js";
import { Problem, part } from "../lib/api.js";
import { Chart } from "../lib/chart.js";
import { confirm } from "../lib/dialog.js";
import { count, duration, rate } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Tree } from "../lib/json.js";
import { Ago, Clock, Facts, NodeLink, Num, Panel, Partial, ProblemBox, Skeleton, State } from "../lib/parts.js";
import { canDo, offers } from "../lib/offers.js";
import { ratesOf } from "../lib/rates.js";
import { link } from "../lib/router.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";
import { read } from "../lib/sse.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { growth } from "../lib/trail.js";
import { PublishForm } from "./publish.js";
import { useTrail } from "./queue.js";

/** @param {{id: string}} props */
export default function TopicPage({ id }) {
  const subscription = useLive({ topic: "topic", id });
  const view = subscription.view.value;
  const topic = view.rows[0];
  const rates = ratesOf(subscription);
  const trail = useTrail(topic, ["published_total", "delivered_total"]);
  const crumbs = html`<p class="crumbs"><a href=${link("topics")}>Topics</a> /</p>`;
  if (!topic || view.problem?.status === 404) return view.loaded ? html`${crumbs}<${ProblemBox} problem=${view.problem} />` : html`<${Skeleton} lines=${10} />`;
  const modes = Object.entries(topic.by_mode ?? {}).map(([mode, n]) => `${mode} ${count(n)}`).join(", ");
  return html`<div class="page-head"><div>${crumbs}<div class="row"><h1>${topic.topic}</h1><${State} value=${topic.state} /></div><p>broker on <${NodeLink} id=${topic.node} /></p></div></div>
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <div class="grid"><${Panel} class="w5" title="Now"><${Facts} items=${[["Subscribers", count(topic.subscribers)], ["Slow", count(topic.slow_subscribers)], ["Published", rate(rates(topic, "published_total"))], ["Delivered", rate(rates(topic, "delivered_total"))], ["Published in all", count(topic.published_total)], ["Delivered in all", count(topic.delivered_total)], ["Failed", count(topic.failed_total)], ["Dropped", count(topic.dropped_total)], ["Publish p99", duration(topic.publish_s?.p99)], ["Last message", html`<${Ago} at=${topic.last_published_at} />`], ["By mode", modes || null]]} /><//>
      <${Panel} class="w7" title="Flow" note="since this page was opened"><${Chart} label="Messages a second" height=${190} times=${trail.times} as=${rate} data=${[growth(trail.times, trail.series.published_total), growth(trail.times, trail.series.delivered_total)]} lines=${[{ label: "published", colour: "--c1" }, { label: "delivered", colour: "--c2" }]} /><//></div>
    <${Subscribers} topic=${topic} />
    <div class="grid">${offers("GET", "/topics/{}/tail") && html`<div class="w7"><${Tail} name=${topic.topic} /></div>`}<${Panel} class=${offers("GET", "/topics/{}/tail") ? "w5" : "w6"} title="Publish"><${PublishForm} topic=${topic.topic} /><//></div>`;
}

/** Who listens: the broker's own name for it says the topic again. @param {any} row @param {string} topic */
const subscriberName = (row, topic) => (row.actor_name ?? row.id).replace(/^actors\//, "").replace(`_topic_sub_${topic}_`, "");

/** @param {{topic: any}} props */
function Subscribers({ topic }) {
  const evict = async (/** @type {any} */ row) => {
    const path = `topics/${part(topic.topic)}/subscribers/${part(row.id)}`;
    const code = html`<${CopyAs} request=${() => ({ method: "DELETE", path })} cli=${() => `pulsing topic evict ${shellQuoted(topic.topic)} ${shellQuoted(row.id)}`} />`;
    const reason = await confirm({ title: "Take this subscriber off?", object: row.actor_name ?? row.id, consequence: `It gets no more messages of ${topic.topic} until it subscribes again.`, verb: "Take off", code });
    if (reason !== null) await act("Subscriber taken off", "DELETE", path, { reason });
  };
  const end = /** @type {"end"} */ ("end");
  const number = (/** @type {string} */ key, /** @type {string} */ title, /** @type {number} */ rank) => ({ key, title, width: 92, align: end, rank, cell: (/** @type {any} */ row) => html`<${Num} value=${row[key]} as=${count} />` });
  const columns = [
    { key: "actor", title: "Subscriber", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => (row.actor ? html`<a class="name" href=${link("actors", row.actor)} title=${row.id}>${subscriberName(row, topic.topic)}</a>` : row.id) },
    { key: "node", title: "Node", width: 96, rank: 4, cell: (/** @type {any} */ row) => html`<${NodeLink} id=${row.node} />` },
    { key: "state", title: "State", width: 96, rank: 1, cell: (/** @type {any} */ row) => html`<span title=${row.last_error}><${State} value=${row.state} /></span>` },
    number("pending", "Pending", 2), number("delivered_total", "Delivered", 2), number("failed_total", "Failed", 3), number("dropped_total", "Dropped", 5),
    { key: "last", title: "Last", width: 104, align: end, rank: 4, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.last_delivered_at} />` },
    { key: "evict", title: "", hidden: !canDo("topic.evict"), width: 84, align: end, rank: 5, cell: (/** @type {any} */ row) => html`<${Act} action="topic.evict" class="button small ghost" onClick=${() => evict(row)}>Take off<//>` },
  ];
  return html`<${Panel} title="Subscribers" flush><${Table} label="Subscribers" columns=${columns} rows=${topic.subscriber_rows ?? []} empty=${html`<p class="pad faint">Nobody listens. Messages published now reach no one.</p>`} /><//>`;
}

const KEPT = 200;

/** The live tail. It tells how many messages it could not show. @param {{name: string}} props */
function Tail({ name }) {
  const [running, setRunning] = useState(false);
  const [contains, setContains] = useState("");
  const [most, setMost] = useState("50");
  const [state, setState] = useState({ items: /** @type {any[]} */ ([]), shown: 0, skipped: 0 });
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const wanted = useRef({ rate: most, contains });
  wanted.current = { rate: most, contains };
  useEffect(() => {
    if (!running) return undefined;
    const stop = new AbortController();
    setProblem(null);
    read("GET", `topics/${part(name)}/tail`, { signal: stop.signal, query: wanted.current }, (frames) => frames.forEach(({ event, data }) => {
      if (event === "message") setState((old) => ({ ...old, shown: old.shown + 1, items: [{ ...data, key: `${data.at}${data.n}` }, ...old.items].slice(0, KEPT) }));
      if (event === "skipped") setState((old) => ({ ...old, skipped: old.skipped + data.count }));
    })).then(() => setRunning(false), (error) => {
      if (error.name === "AbortError") return;
      setProblem(error instanceof Problem ? error.body : { detail: String(error) });
      setRunning(false);
    });
    return () => stop.abort();
  }, [running, name]);
  const closed = whyNotFor("operator");
  const note = state.shown ? `${count(state.shown)} shown${state.skipped ? `, ${count(state.skipped)} skipped` : ""}` : "an onlooker: nobody waits for it";
  return html`<${Panel} title="Tail" note=${note} flush actions=${html`<input class="contains" value=${contains} placeholder="contains" aria-label="Contains" title=${running ? "Pause to change it" : undefined} disabled=${running} onInput=${(/** @type {any} */ event) => setContains(event.target.value)} />
      <select value=${most} aria-label="Messages a second, at most" title=${running ? "Pause to change it" : "Messages a second, at most; others are counted as skipped"} disabled=${running} onChange=${(/** @type {any} */ event) => setMost(event.target.value)}>${["5", "50", "200"].map((each) => html`<option key=${each} value=${each}>${each}/s</option>`)}</select>
      <button type="button" class="button" aria-pressed=${running} disabled=${Boolean(closed)} title=${closed || undefined} onClick=${() => setRunning(!running)}><${Icon} name=${running ? "pause" : "play"} size=${14} />${running ? "Pause" : "Follow"}</button>`}>
    <${ProblemBox} problem=${problem} />
    ${state.items.length ? html`<ol class="records tail" tabindex="0">${state.items.map((item) => html`<li key=${item.key}><span class="faint small nowrap"><${Clock} at=${item.at} /><br />${typeof item.sender === "string" ? item.sender.slice(-16) : ""}</span><div class="value"><${Tree} value=${item.value} depth=${1} /></div></li>`)}</ol>` : html`<p class="empty small">${running ? "Waiting for the next message." : "Follow to see messages as they are published."}</p>`}<//>`;
}
