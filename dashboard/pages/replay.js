/** Sends dead letters again: to whom, how fast, and first a trial run that says what would happen. */
import { Act, act, failed } from "../lib/actions.js";
import { request } from "../lib/api.js";
import { Drawer } from "../lib/dialog.js";
import { count } from "../lib/format.js";
import { Field } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";

const MOST = 1000;

/** @param {string[]} ids @param {Record<string, string>} filter @param {Record<string, string>} texts */
export function replayOf(ids, filter, texts) {
  const choice = ids.length ? { ids } : { filter, limit: MOST };
  return JSON.parse(JSON.stringify({ ...choice, rate: Number(texts.rate) || undefined, to: texts.to.trim() || undefined }));
}

/** @param {any} body */
export function replayCommand({ ids = [], filter, limit, rate, to }) {
  const options = [["--why", filter?.reason], ["--limit", limit], ["--rate", rate], ["--to", to]].filter(([, value]) => value !== undefined);
  return ["pulsing dead-letters replay", ...ids.map(shellQuoted), ...options.map(([name, value]) => `${name} ${shellQuoted(String(value))}`)].join(" ");
}

/** @param {any} answer */
const foreseen = ({ replayed, skipped = [] }) => `${count(replayed)} ${replayed === 1 ? "message goes" : "messages go"} out again, as tells: whoever asked first is gone.${skipped.length ? ` ${count(skipped.length)} stay: ${skipped[0].why}` : ""}`;

/** @param {{ids: string[], filter: Record<string, string>, onClose: () => void, onDone: () => void}} props */
export function ReplayDrawer({ ids, filter, onClose, onDone }) {
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ ({ to: "", rate: "50", reason: "" }));
  const [counted, setCounted] = useState(/** @type {{of: string, text: string} | null} */ (null));
  const body = replayOf(ids, filter, texts);
  const known = counted?.of === JSON.stringify(body) ? counted.text : "";
  const set = (/** @type {string} */ key) => (/** @type {string} */ text) => setTexts({ ...texts, [key]: text });
  const path = "dead-letters/replay";
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!known) return request("POST", path, { body, query: { dry_run: true } }).then((answer) => setCounted({ of: JSON.stringify(body), text: foreseen(answer) }), failed);
    const done = await act("Replayed", "POST", path, { body, reason: texts.reason }, (answer) => `${answer.replayed} sent, ${answer.failed?.length ?? 0} failed, ${answer.skipped?.length ?? 0} skipped`);
    if (done) onDone();
  };
  const what = ids.length ? `${count(ids.length)} selected ${ids.length === 1 ? "letter" : "letters"}` : `every letter${filter.reason ? ` with the reason ${filter.reason}` : ""}`;
  const footer = html`<${CopyAs} request=${() => ({ method: "POST", path, body })} cli=${() => replayCommand(body)} /><span class="grow"></span>
    <${Act} action="dead_letter.replay" type="submit" form="replay" icon="restart" class=${known ? "button danger" : "button primary"}>${known ? "Replay" : "Try without sending"}<//>`;
  return html`<${Drawer} title="Replay" onClose=${onClose} footer=${footer}><form id="replay" class="form" onSubmit=${submit}>
    <p class="object">${what}</p>
    <div class="fields"><${Field} name="to" label="To" schema=${{ type: "string", description: "another actor; empty: whom it was meant for" }} text=${texts.to} onInput=${set("to")} />
      <${Field} name="rate" label="Messages a second" schema=${{ type: "number" }} text=${texts.rate} onInput=${set("rate")} /></div>
    <${Field} name="reason" label="Reason" schema=${{ type: "string", description: "optional, kept in the audit log" }} text=${texts.reason} onInput=${set("reason")} />
    ${known && html`<div class="notice warn" role="status"><div><b>${known}</b></div></div>`}</form><//>`;
}
