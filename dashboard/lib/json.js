/** Shows a JSON value as a tree that folds; what stands for a Python type is shown as that type. */
import { html, useState } from "./html.js";

const OPEN_DEPTH = 2;
const MANY = 100;
const LINE_LENGTH = 72;

/** A small container of plain values as one line, else "". @param {any} value */
export function oneLine(value) {
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  if (value.$type || entries.some(([, inner]) => inner !== null && typeof inner === "object")) return "";
  const inside = entries.map(([key, inner]) => (list ? JSON.stringify(inner) : `${key}: ${JSON.stringify(inner)}`)).join(", ");
  return inside.length > LINE_LENGTH ? "" : list ? `[${inside}]` : `{${inside}}`;
}

/** `{"$datetime": "…"}` and its kin as one line, else null. @param {any} value @returns {[string, string] | null} */
export function special(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const [first] = Object.keys(value);
  if (!first?.startsWith("$") || first === "$dict") return null;
  if (first === "$type") return null;
  const inner = value[first];
  if (first === "$array") return ["array", `${inner.dtype} [${(inner.shape ?? []).join(" × ")}]`];
  if (first === "$repr") return [value.type ?? "object", inner];
  if (first === "$more") return ["more", `${inner} more`];
  return [first.slice(1), typeof inner === "object" ? JSON.stringify(inner) : String(inner)];
}

/** @param {{value: any, depth?: number}} props */
export function Tree({ value, depth = 0 }) {
  const typed = special(value);
  if (typed) return html`<span class="json-typed"><em>${typed[0]}</em>${typed[1]}</span>`;
  if (value !== null && typeof value === "object") return html`<${Branch} value=${value} depth=${depth} />`;
  const kind = value === null ? "null" : typeof value;
  return html`<span class="json-${kind}">${JSON.stringify(value)}</span>`;
}

/** @param {{value: any, depth: number}} props */
function Branch({ value, depth }) {
  const [open, setOpen] = useState(depth < OPEN_DEPTH);
  const list = Array.isArray(value);
  const entries = Object.entries(value.$type ? value.fields ?? {} : value);
  const shape = `${value.$type ?? ""}${list ? `[${entries.length}]` : `{${entries.length}}`}`;
  if (!entries.length) return html`<span class="json-null">${list ? "[]" : "{}"}</span>`;
  const line = oneLine(value);
  if (line) return html`<span class="json-line">${line}</span>`;
  return html`<span class="json-branch"><button type="button" class="fold" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? "▾" : "▸"} <span>${shape}</span></button>
    ${open && html`<ul>${entries.slice(0, MANY).map(([key, inner]) => html`<li key=${key}><span class="json-key">${key}</span><${Tree} value=${inner} depth=${depth + 1} /></li>`)}
      ${entries.length > MANY && html`<li class="faint">${entries.length - MANY} more</li>`}</ul>`}</span>`;
}
