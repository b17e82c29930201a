/** Fields made of a JSON Schema, and the arguments that they stand for. */
import { html, useState } from "./html.js";

/** @typedef {{properties?: Record<string, any>, required?: string[], "x-positional"?: string[], "x-varargs"?: any, additionalProperties?: any, $defs?: Record<string, any>}} Schema */
/** @typedef {{texts: Record<string, any>, raw: string | null}} Draft what the reader typed, field by field or as one JSON object */

export const BLANK = /** @type {Draft} */ ({ texts: {}, raw: null });

/** The schema itself, or the one that it refers to or allows beside null. @param {any} schema @param {Schema} root @returns {any} */
export function plain(schema, root) {
  if (schema?.$ref) return { ...plain(root.$defs?.[schema.$ref.split("/").pop()] ?? {}, root), ...without(schema, "$ref") };
  const options = schema?.anyOf ?? schema?.oneOf;
  const real = options?.filter((/** @type {any} */ each) => each.type !== "null");
  if (real?.length === 1) return { ...plain(real[0], root), ...without(schema, "anyOf", "oneOf"), nullable: real.length < options.length };
  return schema ?? {};
}

/** @param {any} object @param {string[]} keys */
const without = (object, ...keys) => Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));

/** @param {any} schema @returns {"checkbox" | "select" | "number" | "text" | "json"} */
export function fieldKind(schema) {
  if (schema.enum) return "select";
  if (schema.type === "boolean") return schema.nullable ? "json" : "checkbox";
  if (schema.type === "integer" || schema.type === "number") return "number";
  return schema.type === "string" ? "text" : "json";
}

/** One field's value. Throws a SyntaxError that says what is wrong. @param {any} schema @param {any} text */
function valueOf(schema, text) {
  const kind = fieldKind(schema);
  if (kind === "checkbox") return Boolean(text);
  if (kind === "select") return schema.enum.find((/** @type {any} */ each) => String(each) === text);
  if (kind === "text") return String(text);
  if (kind === "number") {
    const number = Number(text);
    if (String(text).trim() === "" || Number.isNaN(number)) throw new SyntaxError("a number is needed");
    if (schema.type === "integer" && !Number.isInteger(number)) throw new SyntaxError("a whole number is needed");
    return number;
  }
  return loose(String(text), schema);
}

/** JSON; where the type is open, what is no JSON is a string, as on the command line. @param {string} text @param {any} schema */
function loose(text, schema) {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!schema.type && !/^\s*[[{"]/.test(text)) return text;
    throw error;
  }
}

/** What is typed, as keyword arguments; empty optional fields are left out.
 * @param {Schema} schema @param {Draft} draft @returns {{kwargs: Record<string, any>, args: any[], errors: Record<string, string>}} */
export function argumentsOf(schema, draft) {
  if (draft.raw !== null) return rawArguments(draft.raw);
  /** @type {Record<string, any>} */
  const kwargs = {};
  /** @type {Record<string, string>} */
  const errors = {};
  for (const [name, given] of Object.entries(schema.properties ?? {})) {
    const field = plain(given, schema);
    const text = draft.texts[name];
    if (text === undefined || text === "") {
      if (schema.required?.includes(name)) missing(name, field, kwargs, errors, text);
      continue;
    }
    try {
      kwargs[name] = valueOf(field, text);
    } catch (error) {
      errors[name] = /** @type {Error} */ (error).message;
    }
  }
  return { ...positional(schema, kwargs), errors };
}

/** @param {string} name @param {any} field @param {Record<string, any>} kwargs @param {Record<string, string>} errors @param {any} text */
function missing(name, field, kwargs, errors, text) {
  if (fieldKind(field) === "checkbox") kwargs[name] = false;
  else if (fieldKind(field) === "text" && text === "") kwargs[name] = "";
  else errors[name] = "needed";
}

/** Parameters that Python takes by position only. @param {Schema} schema @param {Record<string, any>} kwargs */
function positional(schema, kwargs) {
  const names = (schema["x-positional-only"] ?? []).filter((/** @type {string} */ name) => name in kwargs);
  return { args: names.map((/** @type {string} */ name) => kwargs[name]), kwargs: without(kwargs, ...names) };
}

/** @param {string} raw @returns {{kwargs: Record<string, any>, args: any[], errors: Record<string, string>}} */
function rawArguments(raw) {
  try {
    const value = JSON.parse(raw || "{}");
    if (Array.isArray(value)) return { args: value, kwargs: {}, errors: {} };
    if (value && typeof value === "object") return { args: [], kwargs: value, errors: {} };
    return { args: [], kwargs: {}, errors: { raw: "an object of keyword arguments, or a list of positional ones" } };
  } catch (error) {
    return { args: [], kwargs: {}, errors: { raw: /** @type {Error} */ (error).message } };
  }
}

/** Errors of a problem by the name of their field. @param {any} problem @returns {Record<string, string>} */
export function fieldErrors(problem) {
  return Object.fromEntries((problem?.errors ?? []).map((/** @type {any} */ each) => [String(each.loc?.[each.loc.length - 1] ?? ""), each.msg]));
}

/** @param {{schema: Schema, draft: Draft, errors: Record<string, string>, onChange: (draft: Draft) => void}} props */
export function SchemaFields({ schema, draft, errors, onChange }) {
  const properties = Object.entries(schema.properties ?? {});
  const set = (/** @type {string} */ name) => (/** @type {any} */ text) => onChange({ ...draft, texts: { ...draft.texts, [name]: text } });
  const toggle = () => onChange({ ...draft, raw: draft.raw === null ? JSON.stringify(argumentsOf(schema, draft).kwargs, null, 2) : null });
  const open = schema.additionalProperties || schema["x-varargs"];
  return html`<div class="schema">
    ${draft.raw !== null
      ? html`<${Field} name="raw" label="Arguments as JSON" schema=${{}} text=${draft.raw} error=${errors.raw} rows=${5} onInput=${(/** @type {string} */ raw) => onChange({ ...draft, raw })} />`
      : properties.length
        ? properties.map(([name, given]) => html`<${Field} key=${name} name=${name} schema=${plain(given, schema)} required=${schema.required?.includes(name)} text=${draft.texts[name]} error=${errors[name]} onInput=${set(name)} />`)
        : html`<p class="faint">${open ? "Takes any arguments: write them as JSON." : "Takes no arguments."}</p>`}
    ${(properties.length > 0 || open || draft.raw !== null) && html`<button type="button" class="link small" onClick=${toggle}>${draft.raw === null ? "Write as JSON" : "Back to fields"}</button>`}
  </div>`;
}

/** @param {any} schema */
const typeName = (schema) => schema["x-python-type"] ?? (schema.enum ? "one of" : schema.format ?? schema.type ?? "any");

/** @param {{name: string, label?: string, schema: any, required?: boolean, text: any, error?: string, rows?: number, onInput: (text: any) => void}} props */
export function Field({ name, label, schema, required, text, error, rows = 3, onInput }) {
  const [id] = useState(() => `f-${Math.random().toString(36).slice(2, 9)}`);
  const kind = fieldKind(schema);
  const hint = schema.default === undefined ? "" : kind === "select" ? String(schema.default) : JSON.stringify(schema.default);
  const common = { id, name, required, placeholder: hint, "aria-invalid": Boolean(error), "aria-describedby": error ? `${id}-e` : undefined, onInput: (/** @type {any} */ event) => onInput(event.target.value) };
  const input = {
    checkbox: () => html`<input id=${id} type="checkbox" checked=${text ?? schema.default ?? false} onChange=${(/** @type {any} */ event) => onInput(event.target.checked)} />`,
    select: () => html`<select ...${common} value=${text ?? ""}>${!required && html`<option value="">${hint || "–"}</option>`}${required && text === undefined && html`<option value="">choose…</option>`}${schema.enum.map((/** @type {any} */ each) => html`<option value=${String(each)}>${String(each)}</option>`)}</select>`,
    number: () => html`<input ...${common} inputmode="decimal" value=${text ?? ""} autocomplete="off" />`,
    text: () => html`<input ...${common} value=${text ?? ""} autocomplete="off" spellcheck=${false} />`,
    json: () => html`<textarea ...${common} rows=${rows} class="mono" spellcheck=${false} value=${text ?? ""}></textarea>`,
  }[kind]();
  return html`<div class="field ${kind} ${error ? "invalid" : ""}"><label for=${id}>${label ?? name}${required && html`<b class="must" title="needed">*</b>`}<i>${label ? "" : typeName(schema)}</i></label>${input}
    ${schema.description && html`<p class="faint">${schema.description}</p>`}${error && html`<p class="error" id="${id}-e">${error}</p>`}</div>`;
}
