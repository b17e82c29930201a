/** One class: its documentation, its constructor, and how each method fares. */
import { Act } from "../lib/actions.js";
import { part } from "../lib/api.js";
import { className, count, duration } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Chip, Facts, NodeLink, Num, Panel, ProblemBox, Skeleton, Tags } from "../lib/parts.js";
import { link } from "../lib/router.js";
import { useRest } from "../lib/stream.js";
import { SpawnDrawer } from "./spawn.js";

/** A signature as one would write it. @param {any} schema */
function signature(schema) {
  const names = Object.entries(schema?.properties ?? {}).map(([name, each]) => {
    const type = each["x-python-type"] ?? each.type ?? (each.enum ? each.enum.map((/** @type {any} */ one) => JSON.stringify(one)).join(" | ") : "");
    const given = schema.required?.includes(name) ? "" : ` = ${each.default === undefined ? "…" : JSON.stringify(each.default)}`;
    return `${name}${type ? `: ${type}` : ""}${given}`;
  });
  if (schema?.["x-varargs"]) names.push("*args");
  if (schema?.additionalProperties) names.push("**kwargs");
  return `(${names.join(", ")})`;
}

/** @param {{id: string}} props */
export default function ClassPage({ id }) {
  const { data, problem, loaded } = useRest(`classes/${part(id)}`, {}, 3_000);
  const [spawning, setSpawning] = useState(false);
  const crumbs = html`<p class="crumbs"><a href=${link("classes")}>Classes</a> /</p>`;
  if (!loaded) return html`<${Skeleton} lines=${10} />`;
  if (!data) return html`${crumbs}<${ProblemBox} problem=${problem} />`;
  return html`<div class="page-head"><div>${crumbs}<div class="row"><h1>${className(data.class)}</h1><${Chip} tone=${data.kind === "agent" ? "accent" : ""}>${data.kind}<//>${!data.spawnable && html`<${Chip} tone="warn" title=${data.why_not}>not spawnable<//>`}</div><p class="mono">${data.class}</p></div>
      <div class="toolbar"><a class="button" href=${link("actors", "", { class: data.class })}>${count(data.actors)} ${data.actors === 1 ? "actor" : "actors"}</a><${Act} action="actor.spawn" icon="plus" class="button primary" disabled=${!data.spawnable} title=${data.why_not} onClick=${() => setSpawning(true)}>Spawn<//></div></div>
    <div class="grid"><${Panel} class="w8" title="About"><div class="stack">${data.doc ? html`<p class="doc">${data.doc}</p>` : html`<p class="faint">No docstring.</p>`}<p class="mono">${className(data.class)}${signature(data.constructor?.schema ?? data.constructor)}</p>
        ${data.agent && html`<div class="stack"><p class="role">${data.agent.role}</p><p>${data.agent.goal}</p><p class="faint">${data.agent.backstory}</p><${Tags} tags=${data.agent.tags} /></div>`}</div><//>
      <${Panel} class="w4" title="Figures"><${Facts} items=${[["Actors", count(data.actors)], ["Messages", count(data.messages_total)], ["Errors", count(data.errors_total)], ["Restarts", count(data.restarts_total)], ["On nodes", html`${(data.nodes ?? []).map((/** @type {string} */ node, /** @type {number} */ at) => html`${at ? ", " : ""}<${NodeLink} id=${node} />`)}`], ["Restart policy", data.defaults?.restart_policy], ["Mailbox", typeof data.defaults?.mailbox === "object" ? data.defaults?.mailbox?.capacity : data.defaults?.mailbox], ["Source", data.source && html`<span class="mono small" title=${data.source.file}>${data.source.file?.split("/").pop()}:${data.source.line}</span>`]]} /><//>
      <${Panel} title="Methods" flush>${data.methods?.length ? html`<ul class="methods">${data.methods.map((/** @type {any} */ method) => html`<${Method} key=${method.name} method=${method} />`)}</ul>` : html`<p class="pad faint">No public methods; every message goes to receive().</p>`}<//></div>
    ${spawning && html`<${SpawnDrawer} wanted=${data.class} onClose=${() => setSpawning(false)} />`}`;
}

/** @param {{method: any}} props */
const Method = ({ method }) => html`<li><div><p class="mono"><b>${method.name}</b>${signature(method.schema)} ${method.kind !== "method" && html`<${Chip} tone=${method.kind === "stream" ? "busy" : ""}>${method.kind}<//>`}</p>${method.doc && html`<p class="faint">${method.doc.split("\n")[0]}</p>`}</div>
  <span><i>calls</i><${Num} value=${method.messages_total} as=${count} /></span><span class=${method.errors_total ? "bad-text" : ""}><i>errors</i><${Num} value=${method.errors_total} as=${count} /></span><span><i>p50</i>${duration(method.handle_s?.p50)}</span><span><i>p99</i>${duration(method.handle_s?.p99)}</span></li>`;
