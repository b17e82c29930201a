/** Removes old records of a queue: how many to keep or what is too old, counted before it is done. */
import { Act, act, failed } from "../lib/actions.js";
import { part, request } from "../lib/api.js";
import { Drawer } from "../lib/dialog.js";
import { count } from "../lib/format.js";
import { Field } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { Segments } from "../lib/parts.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";

const BY = /** @type {Array<[string, string]>} */ ([["keep_last", "keep the last"], ["before_offset", "up to an offset"], ["before_at", "older than"]]);

/** What is asked of the server, or why it cannot be asked. @param {string} by @param {Record<string, string>} texts @returns {{body: any, error: string}} */
export function trimOf(by, texts) {
  if (by === "before_at") {
    const at = new Date(texts.before_at);
    return Number.isNaN(at.getTime()) ? { body: null, error: "a date and a time are needed" } : { body: { before_at: at.toISOString() }, error: "" };
  }
  const number = Number(texts[by]);
  if (!texts[by]?.trim() || !Number.isInteger(number) || number < 0) return { body: null, error: "a whole number is needed" };
  return { body: by === "keep_last" ? { keep_last: number } : { before_offset: number, bucket_id: Number(texts.bucket_id) }, error: "" };
}

/** What a trial run says in words. @param {any} answer */
export const consequenceOf = (answer) => `${count(answer.removed)} records go.${answer.readers_behind ? ` ${answer.readers_behind} readers lose records that they have not read.` : " No reader loses what it has not read."}`;

/** @param {{queue: any, onClose: () => void}} props */
export function TrimDrawer({ queue, onClose }) {
  const [by, setBy] = useState("keep_last");
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ ({ keep_last: "1000", before_offset: "", bucket_id: String(queue.bucket_rows?.[0]?.bucket_id ?? 0), before_at: "" }));
  const [reason, setReason] = useState("");
  const [counted, setCounted] = useState(/** @type {{of: string, text: string} | null} */ (null));
  const [touched, setTouched] = useState(false);
  const path = `queues/${part(queue.queue)}/trim`;
  const { body, error } = trimOf(by, texts);
  const wanted = JSON.stringify(body);
  const known = counted?.of === wanted ? counted.text : "";
  const set = (/** @type {string} */ key) => (/** @type {string} */ text) => setTexts({ ...texts, [key]: text });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setTouched(true);
    if (error) return;
    if (!known) return request("POST", path, { body, query: { dry_run: true } }).then((answer) => setCounted({ of: wanted, text: consequenceOf(answer) }), failed);
    if (await act(`Trimmed ${queue.queue}`, "POST", path, { body, reason }, (answer) => `${count(answer.removed)} records removed`)) onClose();
  };
  const cli = by === "keep_last" && body ? () => `pulsing queue trim ${shellQuoted(queue.queue)} --keep-last ${body.keep_last}` : undefined;
  const footer = html`<${CopyAs} request=${() => ({ method: "POST", path, body: body ?? {} })} cli=${cli} /><span class="grow"></span>
    <${Act} action="queue.trim" type="submit" form="trim" class=${known ? "button danger" : "button primary"}>${known ? "Trim" : "Count what would go"}<//>`;
  return html`<${Drawer} title="Trim ${queue.queue}" onClose=${onClose} footer=${footer}><form id="trim" class="form" onSubmit=${submit}>
    <${Segments} label="Trim by" value=${by} onChange=${setBy} options=${BY} />
    ${by === "keep_last" && html`<${Field} name="keep_last" label="Records to keep" schema=${{ type: "integer", description: "in each bucket" }} text=${texts.keep_last} error=${touched ? error : ""} onInput=${set("keep_last")} />`}
    ${by === "before_offset" && html`<div class="fields"><${Field} name="bucket_id" label="Bucket" required schema=${{ enum: (queue.bucket_rows ?? []).map((/** @type {any} */ row) => row.bucket_id) }} text=${texts.bucket_id} onInput=${set("bucket_id")} />
      <${Field} name="before_offset" label="First offset to keep" schema=${{ type: "integer" }} text=${texts.before_offset} error=${touched ? error : ""} onInput=${set("before_offset")} /></div>`}
    ${by === "before_at" && html`<label class="field"><span>Put before</span><input type="datetime-local" step="1" name="before_at" value=${texts.before_at} onInput=${(/** @type {any} */ event) => set("before_at")(event.target.value)} />${touched && error && html`<p class="error">${error}</p>`}</label>`}
    <label class="field"><span>Reason <i>optional, kept in the audit log</i></span><input name="reason" value=${reason} maxlength="256" onInput=${(/** @type {any} */ event) => setReason(event.target.value)} /></label>
    ${known && html`<div class="notice warn" role="status"><div><b>${known}</b><p>Offsets are never used again.</p></div></div>`}</form><//>`;
}
