/** Calls a method of an actor: pick it, fill in its arguments, see the result or watch the stream arrive. */
import { Act, failed } from "../lib/actions.js";
import { Problem, part, problemOf, request } from "../lib/api.js";
import { toast } from "../lib/dialog.js";
import { actorTarget, clock, description, duration } from "../lib/format.js";
import { BLANK, Field, SchemaFields, argumentsOf, fieldErrors } from "../lib/form.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { Chip, CopyButton, ProblemBox, Skeleton } from "../lib/parts.js";
import { Tree } from "../lib/json.js";
import { CopyAs, commandArguments, python, pythonArguments, shellQuoted } from "../lib/snippets.js";
import { read } from "../lib/sse.js";
import { useRest } from "../lib/stream.js";

/** @typedef {{at: string, method: string, body: any, running: boolean, answer?: any, items?: any[], problem?: any, streamed?: boolean}} Call */

const KEPT_CALLS = 20;
const KEPT_ITEMS = 500;

/** Calls made from this page, by actor. @type {Map<string, Call[]>} */
const made = new Map();

/** @param {{actor: any, compact?: boolean}} props */
export function CallPanel({ actor, compact }) {
  const { data: detail, problem, loaded } = useRest(`classes/${part(actor.class)}`);
  if (!loaded) return html`<${Skeleton} lines=${4} />`;
  if (problem && !actor.methods?.length) return html`<${ProblemBox} problem=${problem} />`;
  const known = detail?.methods ?? [];
  const missing = (actor.methods ?? []).filter((/** @type {any} */ each) => !known.some((/** @type {any} */ one) => one.name === each.name));
  const names = [...known, ...missing.map((/** @type {any} */ each) => ({ ...each, schema: { additionalProperties: true } }))];
  return html`<${CallForm} actor=${actor} methods=${names} compact=${compact} />`;
}

const RECEIVE = { name: "", kind: "receive", doc: "Handles every message in one method.", schema: { properties: { message: { description: "JSON" } }, required: ["message"] } };

/** @param {{actor: any, methods: any[], compact?: boolean}} props */
function CallForm({ actor, methods, compact }) {
  const receives = actor.kind === "receive" || !methods.length;
  const [name, setName] = useState(receives ? "" : methods[0]?.name);
  const [draft, setDraft] = useState(BLANK);
  const [timeout, setTimeout_] = useState("30");
  const [calls, setCalls] = useState(() => made.get(actor.id) ?? []);
  const [touched, setTouched] = useState(false);
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const method = receives ? RECEIVE : methods.find((each) => each.name === name) ?? methods[0];
  const { args, kwargs, errors } = argumentsOf(method.schema ?? {}, draft);
  const body = receives ? { message: kwargs.message } : { method: method.name, args, kwargs };
  const keep = (/** @type {(calls: Call[]) => Call[]} */ change) => {
    const next = change(made.get(actor.id) ?? []).slice(0, KEPT_CALLS);
    made.set(actor.id, next);
    setCalls(next);
  };
  const update = (/** @type {(call: Call) => Call} */ change) => keep(([first, ...rest]) => [change(first), ...rest]);
  const path = `actors/${part(actor.id)}/call`;
  const ended = (actor.state === "stopped" || actor.state === "failed") && "It has ended";

  const call = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setTouched(true);
    if (Object.keys(errors).length || calls[0]?.running) return;
    stop.current = new AbortController();
    keep((old) => [{ at: new Date().toISOString(), method: method.name || "receive", body, running: true, streamed: method.kind === "stream" }, ...old]);
    try {
      await perform(path, { ...body, timeout: Number(timeout) || 30 }, method.kind === "stream", stop.current.signal, update);
    } catch (error) {
      const body_ = error instanceof Problem ? error.body : { title: /** @type {Error} */ (error).name === "AbortError" ? "Stopped here" : "Failed", detail: /** @type {Error} */ (error).name === "AbortError" ? "closed by you; the generator is cancelled" : String(error) };
      update((last) => ({ ...last, problem: body_ }));
    }
    update((last) => ({ ...last, running: false }));
  };
  const tell = async () => {
    setTouched(true);
    if (Object.keys(errors).length) return;
    await request("POST", `actors/${part(actor.id)}/tell`, { body }).then(() => toast("good", "Sent", "nobody waits for an answer"), failed);
  };
  const latest = calls[0];
  const form = html`<form class="form" onSubmit=${call}>
    ${!receives && html`<label class="field"><span>Method</span><select value=${method.name} onChange=${(/** @type {any} */ event) => (setName(event.target.value), setDraft(BLANK), setTouched(false))}>
      ${methods.map((each) => html`<option key=${each.name} value=${each.name}>${each.name}${each.kind === "stream" ? " (stream)" : ""}</option>`)}</select></label>`}
    ${method.doc && html`<p class="faint">${description(method.doc)}</p>`}
    <${SchemaFields} key=${method.name} schema=${method.schema ?? {}} draft=${draft} errors=${{ ...(touched ? errors : {}), ...fieldErrors(latest?.problem) }} onChange=${setDraft} />
    ${!compact && html`<${Field} name="timeout" label="Wait at most, seconds" schema=${{ type: "number" }} text=${timeout} onInput=${setTimeout_} />`}
    <div class="row"><${Act} action="actor.call" type="submit" icon="play" class="button primary" disabled=${ended || (latest?.running && "A call is running")}>Call<//>
      <${Act} action="actor.tell" class="button" title="Send without waiting for an answer" disabled=${ended} onClick=${tell}>Tell<//>
      ${latest?.running && html`<button type="button" class="button danger" onClick=${() => stop.current?.abort()}>Stop waiting</button>`}
      <span class="grow"></span><${CopyAs} request=${() => ({ method: "POST", path, body })} python=${() => callPython(actor, method, body)} cli=${() => callCommand(actor, method, body)} /></div></form>`;
  if (compact) return html`<div class="stack"><${Conversation} calls=${calls} />${form}</div>`;
  return html`<div class="grid"><section class="panel w5"><header><h2>Call</h2></header><div class="pad">${form}</div></section>
    <section class="panel w7" aria-live="polite"><header><h2>Answers</h2><span class="faint">the last ${KEPT_CALLS} from this page</span></header><div class="pad">
      ${calls.length ? html`<ol class="history">${calls.map((each, index) => html`<li key=${each.at}><${Outcome} call=${each} folded=${index > 0} /></li>`)}</ol>` : html`<p class="empty small">Nothing called yet. The answer appears here.</p>`}</div></section></div>`;
}

/** @param {string} path @param {any} body @param {boolean} streams @param {AbortSignal} signal @param {(change: (call: Call) => Call) => void} update */
async function perform(path, body, streams, signal, update) {
  if (!streams) {
    const answer = await request("POST", path, { body, signal });
    return update((call) => ({ ...call, answer }));
  }
  const answer = await read("POST", path, { body, signal }, (frames) => frames.forEach(({ event, data }) => {
    if (event === "item") update((call) => ({ ...call, items: [...(call.items ?? []), data.value].slice(-KEPT_ITEMS), answer: { ok: true, count: (data.n ?? 0) + 1 } }));
    if (event === "end") update((call) => ({ ...call, answer: { ok: true, ...data, count: data.items } }));
    if (event === "error") update((call) => ({ ...call, answer: { ok: false, error: data.error ?? data } }));
  }));
  if (!answer.ok) throw await problemOf(answer);
  if (answer.headers.get("content-type")?.startsWith("application/json")) {
    const whole = await answer.json();
    update((call) => ({ ...call, answer: whole }));
  }
}

/** Calls as turns of a conversation, the last one at the bottom and in sight. @param {{calls: Call[]}} props */
function Conversation({ calls }) {
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  const latest = calls[0];
  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [latest?.at, latest?.running, latest?.items?.length]);
  return html`<ol class="conversation" aria-live="polite" aria-label="Conversation">${[...calls].reverse().map((call, index, all) => html`<li key=${call.at} ref=${index === all.length - 1 ? end : undefined}>
    <p class="said mono"><b>${call.method}</b>(${saidIn(call.body)})</p><div class="answered"><${Outcome} call=${call} /></div></li>`)}
    ${!calls.length && html`<li class="faint">Nothing said from this page yet.</li>`}</ol>`;
}

/** @param {any} body */
const saidIn = (body) => ("message" in body ? JSON.stringify(body.message) : pythonArguments(body.args ?? [], body.kwargs ?? {}));

/** @param {{call: Call, folded?: boolean}} props */
function Outcome({ call, folded }) {
  const { answer, problem, items, running } = call;
  const ok = answer?.ok && !problem;
  const shown = items ?? answer?.items ?? answer?.result;
  return html`<details open=${!folded}><summary class="outcome"><b class="mono">${call.method}</b>
      ${running ? html`<${Chip} tone="busy">running<//>` : html`<${Chip} tone=${ok ? "good" : "bad"}>${ok ? "ok" : answer?.error?.category ?? problem?.title ?? "failed"}<//>`}
      ${call.streamed && html`<span>${answer?.count ?? 0} items</span>`}<span>${duration(answer?.took_s)}</span>${answer?.type && html`<span class="mono">${answer.type}</span>`}<span class="grow"></span><time>${clock(call.at)}</time></summary>
    <div class="stack">${problem && html`<${ProblemBox} problem=${problem} />`}
      ${answer?.error && html`<div class="value bad"><b>${answer.error.remote_type ?? answer.error.type}</b>: ${plainMessage(answer.error)}${answer.error.maybe_executed && answer.error.category !== "business" && html` <${Chip} tone="warn">may have run<//>`}${answer.error.traceback && html`<details><summary class="faint">traceback</summary><pre>${answer.error.traceback}</pre></details>`}</div>`}
      ${(answer?.ok || items) && html`<div class="value ${answer?.ok === false ? "" : "good"}"><${Tree} value=${shown ?? null} /></div>`}
      ${answer && html`<div class="row faint small">${answer.truncated && html`<${Chip} tone="warn">cut: the result is larger<//>`}${answer.trace_id && html`<span class="mono">trace ${answer.trace_id}</span>`}<span class="grow"></span><${CopyButton} text=${JSON.stringify(shown ?? answer, null, 2)} label="Copy result" /></div>`}</div></details>`;
}

/** The message without the type that is shown before it. @param {any} error */
const plainMessage = (error) => (error.remote_type && error.message?.startsWith(`${error.remote_type}: `) ? error.message.slice(error.remote_type.length + 2) : error.message);

/** @param {any} actor @param {any} method @param {any} body */
function callPython(actor, method, body) {
  const found = actor.name ? `actor = await pul.resolve(${JSON.stringify(actorTarget(actor))})` : `actor = pul.as_any(await pul.refer(${JSON.stringify(actor.id)}))`;
  if (method.kind === "receive") return `${found}\nanswer = await actor.ref.ask(${python(body.message)})`;
  const own = pythonArguments(body.args, body.kwargs);
  return method.kind === "stream" ? `${found}\nasync for item in actor.${method.name}(${own}):\n    print(item)` : `${found}\nresult = await actor.${method.name}(${own})`;
}

/** @param {any} actor @param {any} method @param {any} body */
function callCommand(actor, method, body) {
  if (method.kind === "receive") return `pulsing call ${shellQuoted(actorTarget(actor))} --message ${shellQuoted(JSON.stringify(body.message))}`;
  return `pulsing call ${shellQuoted(actorTarget(actor))} ${method.name}${commandArguments(body.args, body.kwargs)}`;
}
