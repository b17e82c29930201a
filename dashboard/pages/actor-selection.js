/** What can be done to many actors at once: one request each, and what failed is told. */
import { Act, act, each } from "../lib/actions.js";
import { part, request } from "../lib/api.js";
import { confirm } from "../lib/dialog.js";
import { actorName, actorTarget } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";

/** `team=a` sets a tag, `team` or `team=` takes it away. @param {string} text @returns {Record<string, string | null>} */
export function tagsOf(text) {
  return Object.fromEntries(text.split(/[,\s]+/).filter(Boolean).map((word) => {
    const at = word.indexOf("=");
    return at < 0 ? [word, null] : [word.slice(0, at), word.slice(at + 1) || null];
  }));
}

/** @param {string[]} names @param {string} text */
const tagCommand = (names, text) => {
  const words = Object.entries(tagsOf(text)).map(([key, value]) => shellQuoted(value === null ? `${key}-` : `${key}=${value}`)).join(" ");
  return names.map((name) => `pulsing tag ${shellQuoted(name)} ${words}`).join("\n");
};

/** A field that changes tags of one or more actors. @param {{actors: any[], onDone: () => void}} props */
export function TagField({ actors, onDone }) {
  const [text, setText] = useState("");
  const path = (/** @type {any} */ actor) => `actors/${part(actor.id)}/tags`;
  const body = tagsOf(text);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!Object.keys(body).length) return;
    const done = actors.length === 1 ? await act("Tags kept", "PATCH", path(actors[0]), { body }) : await each("Tagged", actors.map((actor) => actor.id), (id) => request("PATCH", path({ id }), { body })).then(() => true);
    if (done) (setText(""), onDone());
  };
  return html`<form class="row tag-field" onSubmit=${submit}><span class="grow"><input name="tags" value=${text} aria-label="Tags" placeholder="team=a; team alone removes it" autocomplete="off" onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></span>
    <${Act} action="actor.tag" type="submit" disabled=${!text.trim() && "Write a tag first"}>Set tags<//>
    <${CopyAs} request=${() => ({ method: "PATCH", path: path(actors[0]), body })} cli=${() => tagCommand(actors.map(actorTarget), text)} /></form>`;
}

/** @param {{keys: Set<string>, rows: any[], onDone: () => void}} props */
export function Selection({ keys, rows, onDone }) {
  const [tagging, setTagging] = useState(false);
  const ids = [...keys];
  const actors = ids.map((id) => rows.find((row) => row.id === id) ?? { id });
  const names = actors.slice(0, 3).map(actorName).join(", ") + (ids.length > 3 ? ` and ${ids.length - 3} more` : "");
  const words = actors.map((actor) => shellQuoted(actorTarget(actor))).join(" ");
  const many = ids.length === 1 ? "this actor" : `${ids.length} actors`;
  const stop = async () => {
    const code = html`<${CopyAs} request=${() => ({ method: "DELETE", path: `actors/${part(ids[0])}` })} cli=${() => `pulsing stop ${words}`} />`;
    const reason = await confirm({ title: `Stop ${many}?`, object: names, consequence: "Each finishes the message in hand; what waits in its mailbox fails.", verb: `Stop ${ids.length}`, code });
    if (reason === null) return;
    await each("Stopped", ids, (id) => request("DELETE", `actors/${part(id)}`, { reason }));
    onDone();
  };
  const restart = async () => {
    const code = html`<${CopyAs} request=${() => ({ method: "POST", path: `actors/${part(ids[0])}/restart` })} cli=${() => `pulsing restart ${words}`} />`;
    const reason = await confirm({ title: `Restart ${many}?`, object: names, consequence: "Their state is made anew. Ids, names and the messages that wait are kept.", verb: `Restart ${ids.length}`, code });
    if (reason === null) return;
    await each("Restarted", ids, (id) => request("POST", `actors/${part(id)}/restart`, { reason }));
    onDone();
  };
  return html`<div class="selection" role="status"><b>${ids.length} selected</b><span class="grow"></span>
    ${tagging ? html`<${TagField} actors=${actors} onDone=${onDone} />` : html`<${Act} action="actor.tag" class="button small" onClick=${() => setTagging(true)}>Tag<//>`}
    <${Act} action="actor.restart" icon="restart" class="button small" onClick=${restart}>Restart<//><${Act} action="actor.stop" icon="stop" class="button small danger" onClick=${stop}>Stop<//>
    <button type="button" class="button ghost small" onClick=${onDone}>Clear</button></div>`;
}
