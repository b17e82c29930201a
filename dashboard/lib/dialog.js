/** Things in front of the page: toasts, drawers, and the question before a dangerous action. */
import { html, signal, useLayoutEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";

/** @typedef {{id: number, tone: "good" | "bad" | "warn", title: string, detail?: string, hint?: string}} Toast */

/** @type {import("../vendor/signals-core.js").Signal<Toast[]>} */
const toasts = signal([]);
let serial = 0;
const SHOWN_MS = 6_000;

/** @param {"good" | "bad" | "warn"} tone @param {string} title @param {string} [detail] @param {string} [hint] */
export function toast(tone, title, detail, hint) {
  const id = (serial += 1);
  toasts.value = [...toasts.peek(), { id, tone, title, detail, hint }].slice(-4);
  setTimeout(() => dismiss(id), tone === "bad" ? SHOWN_MS * 2 : SHOWN_MS);
}

/** @param {number} id */
const dismiss = (id) => {
  toasts.value = toasts.peek().filter((each) => each.id !== id);
};

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">${toasts.value.map((each) => html`<div key=${each.id} class="toast ${each.tone}">
  <div><b>${each.title}</b>${each.detail && html`<p>${each.detail}</p>`}${each.hint && html`<p class="faint">${each.hint}</p>`}</div>
  <button type="button" class="button ghost icon-only" aria-label="Dismiss" onClick=${() => dismiss(each.id)}><${Icon} name="close" size=${14} /></button></div>`)}</div>`;

/** A native modal: focus stays inside and Escape closes. @param {{title: any, onClose: () => void, class?: string, children: any, footer?: any}} props */
export function Modal({ title, onClose, class: name = "modal", children, footer }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  // Not after the next frame: what is typed until then would be keys of the page behind.
  useLayoutEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    const field = element.current?.querySelector(".dialog-scroll :is(input, select, textarea)") ?? element.current?.querySelector(".dialog-scroll");
    if (field instanceof HTMLElement) field.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const outside = (/** @type {any} */ event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${name} onCancel=${(/** @type {Event} */ event) => (event.preventDefault(), onClose())} onMouseDown=${outside} aria-label=${typeof title === "string" ? title : undefined}>
    <div class="dialog-body"><header><h2>${title}</h2><button type="button" class="button ghost icon-only" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></header>
    <div class="dialog-scroll" tabindex="-1">${children}</div>${footer && html`<footer>${footer}</footer>`}</div></dialog>`;
}

/** @param {any} props */
export const Drawer = (props) => html`<${Modal} ...${props} class="drawer" />`;

/** @typedef {{title: string, object: string, consequence: string, verb: string, typed?: boolean, code?: any}} Question `code`: what offers the action as code */
/** @type {import("../vendor/signals-core.js").Signal<(Question & {answer: (reason: string | null) => void}) | null>} */
const asked = signal(null);

/** Asks before something that cannot be taken back. @param {Question} question @returns {Promise<string | null>} the reason, "" without one, null for no */
export function confirm(question) {
  return new Promise((resolve) => {
    asked.value = { ...question, answer: (reason) => ((asked.value = null), resolve(reason)) };
  });
}

/** Takes the question back: what it was about has left the screen. */
export const withdraw = () => asked.peek()?.answer(null);

export const Confirmation = () => asked.value && html`<${Ask} key=${asked.value.title + asked.value.object} ...${asked.value} />`;

/** @param {Question & {answer: (reason: string | null) => void}} props */
function Ask({ title, object, consequence, verb, typed, code, answer }) {
  const [reason, setReason] = useState("");
  const [name, setName] = useState("");
  const ready = !typed || name === object;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (ready) answer(reason);
  };
  const footer = html`${code}<span class="grow"></span><button type="button" class="button" onClick=${() => answer(null)}>Cancel</button>
    <button type="submit" form="ask" class="button danger" disabled=${!ready} title=${ready ? undefined : "Type the name first"}>${verb}</button>`;
  return html`<${Modal} title=${title} onClose=${() => answer(null)} footer=${footer}><form id="ask" class="form" onSubmit=${submit}>
    <p class="object mono">${object}</p><p>${consequence}</p>
    ${typed && html`<label class="field"><span>Type <b class="mono">${object}</b> to confirm</span><input autofocus value=${name} autocomplete="off" spellcheck=${false} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label>`}
    <label class="field"><span>Reason <i>optional, kept in the audit log</i></span><input value=${reason} maxlength="256" onInput=${(/** @type {any} */ event) => setReason(event.target.value)} /></label>
  </form><//>`;
}
