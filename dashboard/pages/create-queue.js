/** Makes a queue from a form: its buckets, where they are kept, and what happens when they are full. */
import { Act, act, me } from "../lib/actions.js";
import { part } from "../lib/api.js";
import { Drawer } from "../lib/dialog.js";
import { Field } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { go, link } from "../lib/router.js";
import { CopyAs, python, shellQuoted } from "../lib/snippets.js";

const BACKENDS = /** @type {Record<string, string>} */ ({ memory: "gone with its node; copied to other nodes where replicas are set", sqlite: "a file on the bucket's node: kept over restarts", redis: "a Redis server: kept apart from all nodes" });
const OTHER = "a store that a program on this node registered";
const OVERFLOWS = { drop_oldest: "the oldest records go", reject: "a put is refused", block: "a put waits for room" };
const START = { name: "", num_buckets: "4", bucket_column: "id", backend: "memory", batch_size: "", max_records: "", max_bytes: "", max_age: "", overflow: "" };
const BOUNDS = /** @type {Array<[string, string, string]>} */ ([["max_records", "Records", "a bucket"], ["max_bytes", "Bytes", "a bucket"], ["max_age", "Age", "seconds"]]);

/** @param {Record<string, string>} texts */
export function settingsOf(texts) {
  const number = (/** @type {string} */ key) => (texts[key]?.trim() ? Number(texts[key]) : undefined);
  const options = JSON.parse(JSON.stringify({ max_records: number("max_records"), max_bytes: number("max_bytes"), max_age: number("max_age"), overflow: texts.overflow || undefined }));
  return JSON.parse(JSON.stringify({
    num_buckets: number("num_buckets"), bucket_column: texts.bucket_column, backend: texts.backend, batch_size: number("batch_size"),
    backend_options: Object.keys(options).length ? options : undefined,
  }));
}

/** @param {{onClose: () => void}} props */
export function CreateDrawer({ onClose }) {
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ (START));
  const set = (/** @type {string} */ key) => (/** @type {string} */ text) => setTexts({ ...texts, [key]: text });
  const body = settingsOf(texts);
  const name = texts.name.trim();
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await act(`Created ${name}`, "PUT", `queues/${part(name)}`, { body }))) return;
    onClose();
    go(link("queues", name));
  };
  const footer = html`<${CopyAs} request=${() => ({ method: "PUT", path: `queues/${part(name)}`, body })} python=${() => createPython(name, body)} cli=${() => createCommand(name, body)} /><span class="grow"></span>
    <${Act} action="queue.create" type="submit" form="create" class="button primary" disabled=${!name && "Give it a name first"}>Create<//>`;
  return html`<${Drawer} title="Create a queue" onClose=${onClose} footer=${footer}><form id="create" class="form" onSubmit=${submit}>
    <${Field} name="name" label="Name" schema=${{ type: "string" }} required text=${texts.name} onInput=${set("name")} />
    <div class="fields"><${Field} name="num_buckets" label="Buckets" schema=${{ type: "integer" }} text=${texts.num_buckets} onInput=${set("num_buckets")} /><${Field} name="bucket_column" label="Bucket by" schema=${{ type: "string", description: "records of one value stay in order" }} text=${texts.bucket_column} onInput=${set("bucket_column")} /></div>
    <${Field} name="backend" label="Backend" required schema=${{ enum: me.value?.backends ?? Object.keys(BACKENDS), description: BACKENDS[texts.backend] ?? OTHER }} text=${texts.backend} onInput=${set("backend")} />
    <details><summary>Bounds and batches</summary><div class="form"><div class="fields">${BOUNDS.map(([key, label, unit]) => html`<${Field} key=${key} name=${key} label=${`${label}, at most`} schema=${{ type: "number", description: unit }} text=${texts[key]} onInput=${set(key)} />`)}</div>
      <div class="fields"><${Field} name="overflow" label="At a bound" schema=${{ enum: Object.keys(OVERFLOWS), default: "drop_oldest", description: OVERFLOWS[texts.overflow || "drop_oldest"] }} text=${texts.overflow} onInput=${set("overflow")} />
      <${Field} name="batch_size" label="Batch" schema=${{ type: "integer", default: 100, description: "records written at once" }} text=${texts.batch_size} onInput=${set("batch_size")} /></div></div></details></form><//>`;
}

/** @param {string} name @param {any} body */
function createPython(name, body) {
  const more = [["batch_size", body.batch_size], ["backend_options", body.backend_options]].filter(([, value]) => value !== undefined).map(([key, value]) => `, ${key}=${python(value)}`).join("");
  return `queue = await system.queue.write(${python(name)}, bucket_column=${python(body.bucket_column)}, num_buckets=${body.num_buckets}, backend=${python(body.backend)}${more})`;
}

/** @param {string} name @param {any} body */
function createCommand(name, body) {
  const options = Object.entries(body.backend_options ?? {}).map(([key, value]) => ` --option ${shellQuoted(`${key}=${value}`)}`).join("");
  return `pulsing queue create ${shellQuoted(name)} --buckets ${body.num_buckets} --column ${shellQuoted(body.bucket_column)} --backend ${shellQuoted(body.backend)}${options}`;
}
