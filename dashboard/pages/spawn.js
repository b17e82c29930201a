/** Makes a new actor from a registered class: its constructor as a form, and how it shall live. */
import { Act, failed } from "../lib/actions.js";
import { part, request } from "../lib/api.js";
import { Drawer, toast } from "../lib/dialog.js";
import { actorName, className } from "../lib/format.js";
import { BLANK, Field, SchemaFields, argumentsOf, fieldErrors } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { ProblemBox, Skeleton, nodeNames } from "../lib/parts.js";
import { go, link } from "../lib/router.js";
import { CopyAs, commandArguments, pythonArguments, shellQuoted } from "../lib/snippets.js";
import { useRest } from "../lib/stream.js";

/** @param {{wanted?: string, onClose: () => void}} props */
export function SpawnDrawer({ wanted = "", onClose }) {
  const { data, problem, loaded } = useRest("classes", { spawnable: true, limit: 1000 });
  const [chosen, setChosen] = useState(wanted);
  const classes = data?.items ?? [];
  const name = chosen || classes[0]?.class || "";
  return html`<${Drawer} title="Spawn an actor" onClose=${onClose} footer=${name && html`<${Footer} />`}>
    <${ProblemBox} problem=${problem} />
    ${!loaded ? html`<${Skeleton} />` : classes.length ? html`<div class="form"><label class="field"><span>Class</span><select value=${name} onChange=${(/** @type {any} */ event) => setChosen(event.target.value)}>
        ${classes.map((/** @type {any} */ each) => html`<option key=${each.class} value=${each.class}>${className(each.class)} — ${each.class}</option>`)}</select></label>
        <${SpawnForm} key=${name} name=${name} onClose=${onClose} /></div>`
      : html`<div class="empty"><p>No class on this node may be spawned. Decorate one with <code>@pul.remote</code>, and let the node import it: <code>pulsing serve MODULE</code>.</p></div>`}<//>`;
}

const Footer = () => html`<span class="grow"></span><${Act} action="actor.spawn" type="submit" form="spawn" icon="play" class="button primary">Spawn<//>`;

const LIFE = { name: "", placement: "", restart_policy: "", max_restarts: "", mailbox: "", tags: "", public: true };

/** @param {{name: string, onClose: () => void}} props */
function SpawnForm({ name, onClose }) {
  const { data: detail, problem: missing, loaded } = useRest(`classes/${part(name)}`);
  const [draft, setDraft] = useState(BLANK);
  const [life, setLife] = useState(LIFE);
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const [touched, setTouched] = useState(false);
  if (!loaded) return html`<${Skeleton} />`;
  if (missing) return html`<${ProblemBox} problem=${missing} />`;
  const schema = detail.constructor?.schema ?? detail.constructor ?? {};
  const { args, kwargs, errors } = argumentsOf(schema, draft);
  const body = spawnBody(name, args, kwargs, life);
  const submit = async (/** @type {Event} */ event, dry = false) => {
    event.preventDefault();
    setTouched(true);
    setProblem(null);
    if (Object.keys(errors).length) return;
    try {
      const made = await request("POST", "actors", { body, query: dry ? { dry_run: true } : undefined });
      if (dry) return toast("good", "Dry run passed", `${className(name)} would be spawned`);
      toast("good", `Spawned ${actorName(made)}`, made.class);
      onClose();
      go(link("actors", made.id));
    } catch (error) {
      setProblem(/** @type {any} */ (error).body);
      if (!(/** @type {any} */ (error).body)) failed(error);
    }
  };
  const set = (/** @type {string} */ key) => (/** @type {any} */ value) => setLife({ ...life, [key]: value });
  const defaults = detail.defaults ?? {};
  return html`<form id="spawn" class="form" onSubmit=${submit}>
    ${detail.doc && html`<p class="faint">${detail.doc.split("\n\n")[0]}</p>`}
    <${SchemaFields} schema=${schema} draft=${draft} errors=${{ ...(touched ? errors : {}), ...fieldErrors(problem) }} onChange=${setDraft} />
    <div class="fields"><${Field} name="name" label="Name" schema=${{ type: "string", description: "empty: only an id" }} text=${life.name} error=${fieldErrors(problem).name} onInput=${set("name")} />
      <${Field} name="placement" label="Where" schema=${{ enum: ["local", "remote", ...nodeNames.values()], default: "local" }} text=${life.placement} onInput=${set("placement")} /></div>
    <details><summary>Restarts, mailbox and tags</summary><div class="form"><div class="fields">
      <${Field} name="restart_policy" label="Restart" schema=${{ enum: ["never", "on_failure", "always"], default: defaults.restart_policy }} text=${life.restart_policy} onInput=${set("restart_policy")} />
      <${Field} name="max_restarts" label="At most" schema=${{ type: "integer", default: defaults.max_restarts }} text=${life.max_restarts} onInput=${set("max_restarts")} />
      <${Field} name="mailbox" label="Mailbox" schema=${{ type: "integer", default: defaults.mailbox?.capacity ?? defaults.mailbox }} text=${life.mailbox} onInput=${set("mailbox")} /></div>
      <${Field} name="tags" label="Tags" schema=${{ type: "string", description: "team=a, stage=test" }} text=${life.tags} onInput=${set("tags")} />
      <${Field} name="public" label="Other nodes may find it by its name" schema=${{ type: "boolean" }} text=${life.public} onInput=${set("public")} /></div></details>
    <${ProblemBox} problem=${problem} />
    <div class="row"><${CopyAs} request=${() => ({ method: "POST", path: "actors", body })} python=${() => spawnPython(name, body)} cli=${() => spawnCommand(body)} />
      <button type="button" class="link small" onClick=${(/** @type {Event} */ event) => submit(event, true)}>Dry run</button></div></form>`;
}

/** @param {string} name @param {any[]} args @param {Record<string, any>} kwargs @param {any} life */
export function spawnBody(name, args, kwargs, life) {
  const number = (/** @type {string} */ text) => (text.trim() ? Number(text) : undefined);
  const tags = Object.fromEntries(life.tags.split(/[,\s]+/).filter((/** @type {string} */ each) => each.includes("=")).map((/** @type {string} */ each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]));
  const body = {
    class: name, args: args.length ? args : undefined, kwargs, name: life.name.trim() || undefined, placement: life.placement || undefined,
    public: life.name.trim() ? life.public : undefined, restart_policy: life.restart_policy || undefined, max_restarts: number(life.max_restarts), mailbox: number(life.mailbox),
    tags: Object.keys(tags).length ? tags : undefined,
  };
  return JSON.parse(JSON.stringify(body));
}

/** @param {string} name @param {any} body */
function spawnPython(name, body) {
  const at = name.lastIndexOf(".");
  const options = ["name", "restart_policy", "max_restarts"].filter((key) => body[key] !== undefined).map((key) => `, ${key}=${JSON.stringify(body[key])}`).join("");
  const own = pythonArguments(body.args ?? [], body.kwargs ?? {});
  return `from ${name.slice(0, at)} import ${name.slice(at + 1)}\n\nactor = await ${name.slice(at + 1)}.spawn(${`${own}${options}`.replace(/^, /, "")})`;
}

/** @param {any} body */
function spawnCommand(body) {
  const options = ["name", "placement", "restart_policy", "max_restarts", "mailbox"].filter((key) => body[key] !== undefined).map((key) => ` --${key.replace("_", "-")} ${shellQuoted(String(body[key]))}`).join("");
  const tags = Object.entries(body.tags ?? {}).map(([key, value]) => ` --tag ${shellQuoted(`${key}=${value}`)}`).join("");
  return `pulsing spawn ${shellQuoted(body.class)}${commandArguments(body.args ?? [], body.kwargs ?? {})}${options}${tags}${body.public === false ? " --private" : ""}`;
}
