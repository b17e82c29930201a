/** Agents as people: who they are, what they want, what they do now, and a box to talk to them. */
import { Act, act } from "../lib/actions.js";
import { part } from "../lib/api.js";
import { confirm, Drawer } from "../lib/dialog.js";
import { actorName, actorTarget, count, duration, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Exchanges, LastExchange } from "../lib/exchanges.js";
import { Ago, ClassLink, Empty, NodeLink, Partial, ProblemBox, SearchBox, Skeleton, State, Tags } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { link, setQuery } from "../lib/router.js";
import { NotThere, nodeFilter } from "../lib/shell.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";
import { useLive } from "../lib/stream.js";
import { CallPanel } from "./call.js";

/** @param {{query: Record<string, string>}} props */
export default function Agents({ query }) {
  const filter = JSON.parse(JSON.stringify({ node: nodeFilter.value || undefined, role: query.role || undefined, tag: query.tag || undefined }));
  const subscription = useLive({ topic: "agents", filter, search: query.search || undefined, sort: "name", offset: 0, limit: 200 });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const roles = [...new Set(view.rows.map((row) => row.role).concat(query.role ?? []))].filter(Boolean).sort();
  return html`<div class="page-head"><div><h1>Agents</h1><p>${view.loaded ? `${count(view.filtered)} ${view.filtered === 1 ? "agent" : "agents"}` : " "}</p></div></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Role, goal or name" onInput=${(/** @type {string} */ search) => setQuery({ search })} />
      <div class="chips" role="group" aria-label="Role">${roles.length > 1 || query.role ? roles.map((role) => html`<button key=${role} type="button" class="chip" aria-pressed=${role === query.role} onClick=${() => setQuery({ role: role === query.role ? "" : role })}>${role}</button>`) : ""}
      ${query.tag && html`<button type="button" class="chip accent" title="Remove this filter" onClick=${() => setQuery({ tag: "" })}>tag: ${query.tag}<${Icon} name="close" size=${11} /></button>`}</div></div>
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    ${!view.loaded ? html`<${Skeleton} />` : view.rows.length ? html`<div class="cards">${view.rows.map((row) => html`<${Card} key=${row.id} agent=${row} known=${view.rows} messages=${rates(row, "messages_total")} onTalk=${() => setQuery({ talk: row.id })} />`)}</div>` : html`<section class="panel">${query.search || query.role || query.tag ? html`<div class="empty"><h3>No agent fits</h3><p>None has these words, role and tag.</p><a class="button" href=${link("agents")}>Clear the filters</a></div>` : nodeFilter.value ? html`<${NotThere} />` : html`<${Empty} name="agents" />`}</section>`}
    ${query.talk && html`<${Talk} key=${query.talk} id=${query.talk} row=${view.rows.find((row) => row.id === query.talk || actorTarget(row) === query.talk)} known=${view.rows} onClose=${() => setQuery({ talk: "" })} />`}`;
}

/** What an agent does now: the method in hand, or when it last had one. @param {{agent: any}} props */
const Doing = ({ agent }) => html`<p class="doing">${agent.current?.method ? html`<${State} value="busy" /><b class="mono">${agent.current.method}</b><span class="grow"></span>${duration(agent.current.since_s)}` : html`<span class="faint">last at work <${Ago} at=${agent.last_message_at} /></span>`}</p>`;

/** A conversation with one agent: who it is, what was said from this page, and what to say next. @param {{id: string, row: any, known: any[], onClose: () => void}} props */
function Talk({ id, row, known, onClose }) {
  const subscription = useLive({ topic: "actor", id });
  const { rows, problem } = subscription.view.value;
  const agent = { ...row, ...rows[0], ...rows[0]?.agent, ...row?.role && { role: row.role, goal: row.goal } };
  return html`<${Drawer} title=${agent.id ? actorName(agent) : "Agent"} onClose=${onClose}><div class="stack talk">
    ${agent.role && html`<div class="card-head"><span class="avatar ${tint(agent.role)}" aria-hidden="true">${initials(agent.role)}</span><div><p class="role">${agent.role}</p><p class="goal">${agent.goal}</p></div></div>`}
    <${ProblemBox} problem=${problem} />
    ${agent.class ? html`<${Doing} agent=${row ?? agent} /><h3 class="over">Last messages</h3><${Exchanges} exchanges=${agent.last_messages} known=${known} /><h3 class="over">Your conversation</h3><${CallPanel} actor=${{ ...agent, kind: "agent" }} compact />` : !problem && html`<${Skeleton} lines=${5} />`}</div><//>`;
}

/** The same tint for the same role. @param {string} text */
const tint = (text) => `t${([...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1009, 7) % 5) + 1}`;

/** @param {string} role */
const initials = (role) => role.split(/\s+/).map((word) => word[0]).join("").slice(0, 2).toUpperCase();

/** @param {{agent: any, known: any[], messages: number | null, onTalk: () => void}} props */
function Card({ agent, known, messages, onTalk }) {
  const stop = async () => {
    const code = html`<${CopyAs} request=${() => ({ method: "DELETE", path: `actors/${part(agent.id)}` })} cli=${() => `pulsing stop ${shellQuoted(actorTarget(agent))}`} />`;
    const reason = await confirm({ title: "Stop this agent?", object: agent.name ?? agent.id, consequence: "It finishes the message in hand and ends.", verb: "Stop", code });
    if (reason !== null) await act(`Stopped ${actorName(agent)}`, "DELETE", `actors/${part(agent.id)}`, { reason });
  };
  return html`<article class="card"><div class="card-head"><span class="avatar ${tint(agent.role || agent.class)}" aria-hidden="true">${initials(agent.role || "?")}</span>
      <div><h2><a href=${link("actors", agent.id)}>${actorName(agent)}</a></h2><p class="role">${agent.role}</p></div><${State} value=${agent.state === "running" ? (agent.busy ? "busy" : "idle") : agent.state} /></div>
    <p class="goal">${agent.goal}</p>
    ${agent.backstory && html`<details class="backstory"><summary>Backstory</summary><p>${agent.backstory}</p></details>`}
    <${Tags} tags=${agent.tags} onPick=${(/** @type {string} */ tag) => setQuery({ tag })} />
    <${Doing} agent=${agent} />
    ${agent.redacted ? "" : html`<${LastExchange} exchange=${agent.last_message} known=${known} />`}
    <div class="card-stats"><span><b>${rate(messages)}</b> messages</span><span><b>${count(agent.messages_total)}</b> in all</span><span class=${agent.errors_total ? "bad-text" : ""}><b>${count(agent.errors_total)}</b> errors</span><span><b>${duration(agent.handle_mean_s)}</b> mean</span></div>
    <div class="row"><${Act} action="actor.call" icon="play" class="button small" onClick=${onTalk}>Talk<//><a class="button small ghost" href=${link("actors", agent.id)}>Open</a>
      <span class="grow"></span><span class="faint small"><${ClassLink} path=${agent.class} /> on <${NodeLink} id=${agent.node} /></span><${Act} action="actor.stop" icon="stop" class="button small ghost icon-only" title="Stop" onClick=${stop} /></div></article>`;
}
