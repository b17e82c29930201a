/** Publishes a message to a topic and shows who got it. */
import { Act } from "../lib/actions.js";
import { Problem, part, request } from "../lib/api.js";
import { Field } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { ProblemBox } from "../lib/parts.js";
import { CopyAs, python, shellQuoted } from "../lib/snippets.js";

const MODES = {
  fire_and_forget: "does not wait for anyone", wait_all_acks: "waits until every subscriber has handled it",
  wait_any_ack: "waits for the first subscriber", best_effort: "waits a moment, reports who was late",
};

/** @param {{topic: string, create?: boolean}} props */
export function PublishForm({ topic, create = false }) {
  const [text, setText] = useState("");
  const [mode, setMode] = useState("wait_all_acks");
  const [outcome, setOutcome] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const [error, setError] = useState("");
  const path = `topics/${part(topic)}/messages`;
  const message = (() => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  })();
  const body = { message, mode };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setProblem(null);
    setOutcome(null);
    if (/^\s*[[{]/.test(text) && typeof message === "string") return setError("this begins like JSON and is none");
    setError("");
    try {
      setOutcome(await request("POST", path, { body, query: create ? { create: true } : undefined }));
    } catch (failure) {
      setProblem(failure instanceof Problem ? failure.body : { detail: String(failure) });
    }
  };
  return html`<form class="form" onSubmit=${submit}>
    <${Field} name="message" label="Message" schema=${{ description: "JSON; anything else is sent as text" }} rows=${5} text=${text} error=${error} onInput=${setText} />
    <label class="field"><span>Mode</span><select value=${mode} onChange=${(/** @type {any} */ event) => setMode(event.target.value)}>${Object.entries(MODES).map(([key, what]) => html`<option key=${key} value=${key}>${key}: ${what}</option>`)}</select></label>
    <div class="row"><${Act} action="topic.publish" type="submit" icon="topics" class="button primary" disabled=${!topic ? "Name a topic first" : !text.trim() && "Write a message first"}>Publish<//><span class="grow"></span>
      <${CopyAs} request=${() => ({ method: "POST", path, body, query: create ? { create: "true" } : undefined })} python=${() => `writer = await system.topic.write(${python(topic)})\nawait writer.publish(${python(message)}, mode=${python(mode)})`} cli=${() => `pulsing topic pub ${shellQuoted(topic)} ${shellQuoted(JSON.stringify(message))} --mode ${mode}${create ? " --create" : ""}`} /></div>
    <${ProblemBox} problem=${problem} />
    ${outcome && html`<div class="notice ${outcome.success ? "good" : "warn"}" role="status"><div><b>${outcome.success ? "Published" : "Not everyone got it"}</b><p>${mode === "fire_and_forget" ? `sent to ${outcome.subscriber_count} subscribers` : `${outcome.delivered} of ${outcome.subscriber_count} subscribers handled it`}${outcome.failed ? `, ${outcome.failed} failed` : ""}${outcome.timed_out ? ", time ran out" : ""}</p>${(outcome.failed_subscribers ?? []).map((/** @type {any} */ each) => html`<p class="mono small">${typeof each === "string" ? each : JSON.stringify(each)}</p>`)}</div></div>`}</form>`;
}
