/** Tries one route: its parameters and body as fields, and the answer as it came. */
import { me, whyNot } from "../lib/actions.js";
import { Problem, send } from "../lib/api.js";
import { Drawer } from "../lib/dialog.js";
import { duration } from "../lib/format.js";
import { Field, plain } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { Tree } from "../lib/json.js";
import { Chip, ProblemBox } from "../lib/parts.js";
import { CopyAs } from "../lib/snippets.js";

const LONG = 20_000;
const RANKS = { viewer: 0, operator: 1, admin: 2 };

/** The path below the prefix with its parameters filled in. @param {string} path @param {Record<string, string>} texts */
export const filled = (path, texts) => path.replace(/^\/api\/v1\/?/, "").replace(/\{(\w+)\}/g, (_whole, name) => encodeURIComponent((texts[name] ?? "").replaceAll("/", "~")) || `{${name}}`);

/** An object with every field that must be there, to begin with. @param {any} schema @param {any} root */
export function skeleton(schema, root) {
  const own = plain(schema, root);
  if ("default" in own) return own.default;
  if (own.type === "array") return [];
  if (own.type !== "object" && !own.properties) return own.type === "string" ? "" : own.type === "integer" || own.type === "number" ? 0 : own.type === "boolean" ? false : {};
  return Object.fromEntries((own.required ?? []).map((/** @type {string} */ name) => [name, skeleton(own.properties?.[name] ?? {}, root)]));
}

/** A reference into the components is one that `plain` finds. @param {any} specification */
const rootOf = (specification) => ({ $defs: specification?.components?.schemas ?? {} });

/** Why this caller may not send it, or "". @param {any} route */
function barred(route) {
  if (route.action) return whyNot(route.action);
  const role = me.value?.role ?? "viewer";
  return route.role && RANKS[role] < RANKS[route.role] ? `needs the role ${route.role}; you are ${role}` : "";
}

/** @param {{route: any, specification: any, onClose: () => void}} props */
export function TryDrawer({ route, specification, onClose }) {
  const operation = specification?.paths?.[route.path]?.[route.method.toLowerCase()] ?? {};
  const root = rootOf(specification);
  const content = operation.requestBody?.content?.["application/json"];
  const [texts, setTexts] = useState(/** @type {Record<string, any>} */ ({}));
  const [bodyText, setBody] = useState(content ? JSON.stringify(skeleton(content.schema ?? {}, root), null, 2) : "");
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const parameters = operation.parameters ?? [];
  const queryNames = parameters.filter((/** @type {any} */ each) => each.in === "query").map((/** @type {any} */ each) => each.name);
  const query = Object.fromEntries(queryNames.filter((/** @type {string} */ name) => texts[name]).map((/** @type {string} */ name) => [name, texts[name]]));
  const { value: body, error } = parsed(bodyText);
  const path = filled(route.path, texts);
  const why = barred(route);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (error) return;
    setBusy(true);
    setAnswer(await fetched(route.method, path, { query, body: content ? body : undefined }));
    setBusy(false);
  };
  const footer = html`<${CopyAs} request=${() => ({ method: route.method, path, query, body: content ? body : undefined })} /><span class="grow"></span>
    <button type="submit" form="try" class=${route.method === "GET" ? "button primary" : "button danger"} disabled=${Boolean(why) || busy} title=${why}>Send</button>`;
  return html`<${Drawer} title="${route.method} ${route.path}" onClose=${onClose} footer=${footer}><form id="try" class="form" onSubmit=${submit}>
    <p class="faint">${operation.summary ?? route.summary}</p>
    ${parameters.filter((/** @type {any} */ each) => each.in !== "header").map((/** @type {any} */ each) => html`<${Field} key=${each.name} name=${each.name} schema=${{ ...asField(plain(each.schema, root)), description: each.description }} required=${each.required} text=${texts[each.name]} onInput=${(/** @type {string} */ text) => setTexts({ ...texts, [each.name]: text })} />`)}
    ${content && html`<${Field} name="body" label="Body" schema=${{ description: content.schema?.$ref?.split("/").pop() }} rows=${8} text=${bodyText} error=${error} onInput=${setBody} />`}
    ${answer && html`<div class="stack" aria-live="polite"><div class="row">${answer.status && html`<${Chip} tone=${answer.status < 400 ? "good" : "bad"}>${answer.status}<//>`}<span class="faint">${answer.type} · ${duration(answer.took_s)}</span></div>
      <${ProblemBox} problem=${answer.problem} />${answer.value !== undefined ? html`<div class="value"><${Tree} value=${answer.value} /></div>` : answer.text && html`<div class="value"><pre tabindex="0">${answer.text}</pre></div>`}</div>`}</form><//>`;
}

/** A parameter of an address as a field: of a list one value is asked for, and what is not plain is text. @param {any} schema */
const asField = (schema) => {
  const one = schema.type === "array" ? schema.items ?? {} : schema;
  return one.enum || ["integer", "number", "boolean"].includes(one.type) ? one : { ...one, type: "string" };
};

/** @param {string} text @returns {{value: any, error: string}} */
function parsed(text) {
  try {
    return { value: text.trim() ? JSON.parse(text) : undefined, error: "" };
  } catch (error) {
    return { value: undefined, error: /** @type {Error} */ (error).message };
  }
}

/** @param {string} method @param {string} path @param {import("../lib/api.js").Options} options */
async function fetched(method, path, options) {
  const began = performance.now();
  try {
    const answer = await send(method, path, { ...options, accept: "application/json, application/problem+json, */*;q=0.1" });
    const text = await answer.text();
    const type = answer.headers.get("content-type") ?? "";
    const common = { status: answer.status, type, took_s: (performance.now() - began) / 1000 };
    return type.includes("json") && text ? { ...common, value: JSON.parse(text) } : { ...common, text: text.slice(0, LONG) };
  } catch (error) {
    return { took_s: 0, type: "", problem: error instanceof Problem ? error.body : { detail: String(error) } };
  }
}
