/** One actor: what it does now, how it fares, and everything one can ask of it. */
import { Act, act } from "../lib/actions.js";
import { part } from "../lib/api.js";
import { confirm } from "../lib/dialog.js";
import { EventList } from "../lib/eventlist.js";
import { Exchanges } from "../lib/exchanges.js";
import { actorName, actorTarget, age, bytes, className, count, duration, rate, since } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Tree } from "../lib/json.js";
import { Ago, Chip, ClassLink, CopyButton, Facts, NodeLink, Num, Panel, ProblemBox, Skeleton, State, Tabs, Tags } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { link, setQuery } from "../lib/router.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";
import { now, useLive, useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { TagField } from "./actor-selection.js";
import { CallPanel } from "./call.js";

/** @param {{id: string, query: Record<string, string>}} props */
export default function ActorPage({ id, query }) {
  const subscription = useLive({ topic: "actor", id });
  const view = subscription.view.value;
  const actor = view.rows[0];
  const tab = query.tab ?? "summary";
  const crumbs = html`<p class="crumbs"><a href=${link("actors")}>Actors</a> /</p>`;
  if (!actor) return view.loaded ? html`${crumbs}<${ProblemBox} problem=${view.problem}><p><a href=${link("actors")}>All actors</a></p><//>` : html`<${Skeleton} lines=${10} />`;
  const ended = actor.state === "stopped" || actor.state === "failed" || view.problem;
  const messages = ratesOf(subscription)(actor, "messages_total");
  return html`<div class="page-head"><div>${crumbs}<div class="row"><h1>${actorName(actor)}</h1><${State} value=${actor.state === "running" && actor.busy ? "busy" : actor.state} />${actor.kind && html`<${Chip}>${actor.kind}<//>`}<${Tags} tags=${actor.tags} /></div>
      <p><${ClassLink} path=${actor.class} /> on <${NodeLink} id=${actor.node} /> · <span class="mono">${actor.id}</span> <${CopyButton} text=${actor.id} label="" /></p></div>
      <div class="toolbar"><${Act} action="actor.restart" icon="restart" disabled=${ended && "It has ended"} onClick=${() => restart(actor)}>Restart<//><${Act} action="actor.stop" icon="stop" class="button danger" disabled=${ended && "It has ended"} onClick=${() => stop(actor)}>Stop<//></div></div>
    <${ProblemBox} problem=${view.problem} />
    <${Tabs} value=${tab} onChange=${(/** @type {string} */ next) => setQuery({ tab: next === "summary" ? "" : next })} tabs=${[["summary", "Summary"], ["call", "Call"], ["metadata", "Metadata"], ["relations", "Relations"], ["events", "Events"]]} />
    ${{
      summary: () => html`<${Summary} actor=${actor} messages=${messages} />`,
      call: () => html`<${CallPanel} key=${actor.id} actor=${actor} />`,
      metadata: () => html`<${Metadata} actor=${actor} />`,
      relations: () => html`<${Relations} actor=${actor} />`,
      events: () => html`<${Events} actor=${actor} />`,
    }[tab]?.()}`;
}

/** @param {any} actor */
async function stop(actor) {
  const waiting = actor.mailbox ? `${count(actor.mailbox)} waiting messages fail.` : "Nothing waits in its mailbox.";
  const code = html`<${CopyAs} request=${() => ({ method: "DELETE", path: `actors/${part(actor.id)}` })} cli=${() => `pulsing stop ${shellQuoted(actorTarget(actor))}`} />`;
  const reason = await confirm({ title: "Stop this actor?", object: actor.name ?? actor.id, consequence: `It finishes the message in hand and ends. ${waiting}`, verb: "Stop", code });
  if (reason === null) return;
  await act(`Stopped ${actorName(actor)}`, "DELETE", `actors/${part(actor.id)}`, { reason }, (answer) => (answer.stopped === false ? "still busy with a message; it ends after that" : answer.failed_asks ? `${answer.failed_asks} callers were told` : ""));
}

/** @param {any} actor */
async function restart(actor) {
  const code = html`<${CopyAs} request=${() => ({ method: "POST", path: `actors/${part(actor.id)}/restart` })} cli=${() => `pulsing restart ${shellQuoted(actorTarget(actor))}`} />`;
  const reason = await confirm({ title: "Restart this actor?", object: actor.name ?? actor.id, consequence: "Its state is made anew. Its id, its name and the messages that wait are kept.", verb: "Restart", code });
  if (reason !== null) await act(`Restarted ${actorName(actor)}`, "POST", `actors/${part(actor.id)}/restart`, { reason });
}

/** @param {{actor: any, messages: number | null}} props */
function Summary({ actor, messages }) {
  const mailbox = actor.mailbox_detail ?? {};
  const policy = actor.policy ?? {};
  const until = actor.exit ? Date.parse(actor.exit.at) : now.value;
  const used = mailbox.capacity ? actor.mailbox / mailbox.capacity : 0;
  return html`<div class="grid"><div class="${actor.exit ? "" : "w8"} stack gap">
      <${Panel} title="Now"><${Facts} items=${[
        ["Messages", html`<${Num} value=${actor.messages_total} as=${count} metric="pulsing_actor_messages_total" />`], ["Rate", rate(messages)],
        ["Errors", html`<span class=${actor.errors_total ? "bad-text" : ""}>${count(actor.errors_total)}</span>`],
        ["Mailbox", html`${count(actor.mailbox)}${mailbox.capacity ? html`<span class="faint"> of ${count(mailbox.capacity)}</span><${Bar} part=${used} />` : ""}`],
        ["Oldest wait", duration(actor.mailbox_oldest_s)], ["Mean handle", duration(actor.handle_mean_s)], ["Longest handle", duration(actor.handle_max_s)], ["Busy in all", duration(actor.handle_total_s)],
        ["Restarts", count(actor.restarts)], ["Age", age(since(actor.created_at, until) ?? actor.age_s), actor.created_at], ["Last message", html`<${Ago} at=${actor.last_message_at} />`], ["Public", actor.exit ? null : actor.public ? "yes" : "no"],
      ]} /><//>
      ${actor.last_messages && html`<${Panel} title="Last messages" note="said to it by others" flush><${Exchanges} exchanges=${actor.last_messages} /><//>`}
      ${actor.exit && html`<${Exit} exit=${actor.exit} />`}
      ${actor.by_method?.length > 0 && html`<${Panel} title="By method" flush><${Table} label="Calls by method" columns=${METHOD_COLUMNS} rows=${actor.by_method.map((/** @type {any} */ row) => ({ ...row, id: row.method }))} /><//>`}
      ${!actor.exit && html`<${Panel} title="Last errors" flush>${actor.errors?.length ? html`<ul class="log">${actor.errors.map((/** @type {any} */ error) => html`<li><${Ago} at=${error.at} /><span class="type bad" title=${error.type}>${className(error.type)}</span><span class="what" title=${error.message}><span class="mono">${error.method}</span> ${error.message ?? "hidden from viewers"}</span></li>`)}</ul>` : html`<p class="pad faint">None.</p>`}<//>`}</div>
    ${!actor.exit && html`<div class="w4 stack gap loose"><${Panel} title="Handling now">${actor.current?.length ? html`<ul class="stack">${actor.current.map((/** @type {any} */ call) => html`<li class="doing"><${State} value="busy" /><b class="mono">${call.method}</b><span class="grow"></span>${duration(call.since_s)}</li>`)}</ul>` : html`<p class="faint still">Idle: no message in hand.</p>`}<//>
      <${Panel} title="Supervision"><${Facts} items=${[["Restart", policy.restart_policy], ["At most", count(policy.max_restarts)], ["Within", duration(policy.restart_window_s)], ["Left", count(policy.restarts_left)], ["Backoff", policy.min_backoff !== undefined && policy.min_backoff !== null ? `${duration(policy.min_backoff)} to ${duration(policy.max_backoff)}` : null], ["Full mailbox", mailbox.policy], ["Dropped", count(mailbox.dropped_total)], ["Bytes waiting", bytes(mailbox.bytes)]]} /><//>
      ${actor.arguments !== undefined && actor.arguments !== null && html`<${Panel} title="Made with"><div class="value">${typeof actor.arguments === "string" ? actor.arguments || "no arguments" : html`<${Tree} value=${actor.arguments} />`}</div><//>`}</div>`}</div>`;
}

const METHOD_COLUMNS = [
  { key: "method", title: "Method", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<span class="mono">${row.method}</span>` },
  { key: "messages", title: "Messages", width: 110, align: /** @type {"end"} */ ("end"), rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
  { key: "errors", title: "Errors", width: 90, align: /** @type {"end"} */ ("end"), rank: 0, cell: (/** @type {any} */ row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} /></span>` },
];

/** @param {{exit: any}} props */
const Exit = ({ exit }) => html`<${Panel} title="How it ended"><div class="stack"><${Facts} items=${[["Reason", exit.reason], ["When", html`<${Ago} at=${exit.at} />`], ["Error", exit.error]]} />${exit.traceback && html`<div class="value bad"><pre>${exit.traceback}</pre></div>`}</div><//>`;

/** @param {{part: number}} props */
const Bar = ({ part: used }) => html`<span class="bar ${used >= 1 ? "bad" : used >= 0.8 ? "warn" : ""}"><i style=${{ width: `${Math.min(100, used * 100)}%` }}></i></span>`;

/** @param {{actor: any}} props */
function Metadata({ actor }) {
  const { data, problem, loaded, reload } = useRest(`actors/${part(actor.id)}/metadata`);
  const agent = data?.agent ?? actor.agent;
  return html`<div class="grid">${agent && html`<${Panel} class="w6" title="Agent"><div class="stack"><p class="role">${agent.role}</p><p>${agent.goal}</p><p class="faint">${agent.backstory}</p><${Tags} tags=${agent.tags} /></div><//>`}
    <${Panel} class="w6" title="Tags"><div class="stack"><${Tags} tags=${data?.tags ?? actor.tags} /><${TagField} actors=${[actor]} onDone=${reload} /></div><//>
    <${Panel} class="w6" title="metadata()" note="asked in the actor's own turn">${!loaded ? html`<${Skeleton} lines=${3} />` : problem ? html`<${ProblemBox} problem=${problem} />` : html`<div class="value"><${Tree} value=${data?.metadata ?? {}} /></div>`}<//></div>`;
}

/** @param {{actor: any}} props */
function Relations({ actor }) {
  const actors = (/** @type {string[] | undefined} */ ids) => (ids?.length ? html`<ul class="stack">${ids.map((id) => html`<li><a class="mono" href=${link("actors", id)}>${id}</a></li>`)}</ul>` : html`<p class="faint">None.</p>`);
  const named = (/** @type {string[] | undefined} */ names, /** @type {string} */ page) => (names?.length ? html`<ul class="stack">${names.map((name) => html`<li><a href=${link(page, name)}>${name}</a></li>`)}</ul>` : html`<p class="faint">None.</p>`);
  const replicas = (actor.replicas ?? []).map((/** @type {any} */ each) => each.id ?? each.actor);
  return html`<div class="grid"><${Panel} class="w4" title="Watched by">${actors(actor.watchers)}<//><${Panel} class="w4" title="Watches">${actors(actor.watching)}<//><${Panel} class="w4" title="Replicas" note="of the same name">${actors(replicas)}<//>
    <${Panel} class="w4" title="Topics">${named(actor.topics, "topics")}<//><${Panel} class="w4" title="Reads queues">${named(actor.queue_readers, "queues")}<//></div>`;
}

/** @param {{actor: any}} props */
function Events({ actor }) {
  const subscription = useLive({ topic: "events", filter: { subject: actor.id } });
  const { rows, loaded, problem } = subscription.view.value;
  const own = rows.filter((row) => row.subject?.id === actor.id || row.subject?.name === actor.name);
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  return html`<${Panel} flush>${own.length ? html`<${EventList} events=${own} />` : html`<div class="empty small"><h3>${loaded ? "No events of this actor" : "Waiting"}</h3><p>Restarts, failures and stops of ${className(actor.class)} appear here.</p></div>`}<//>`;
}
