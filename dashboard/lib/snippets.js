/** An action written as curl, Python or a command line, ready to paste; tokens are named, never shown. */
import { url } from "./api.js";
import { toast } from "./dialog.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { Menu } from "./parts.js";

/** @param {string} text */
export const shellQuoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A JSON value as a Python literal. @param {any} value @returns {string} */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${python(inner)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** @param {any[]} args @param {Record<string, any>} kwargs */
export const pythonArguments = (args, kwargs) => [...args.map(python), ...Object.entries(kwargs).map(([key, value]) => `${key}=${python(value)}`)].join(", ");

/** @param {any[]} args @param {Record<string, any>} kwargs */
export const commandArguments = (args, kwargs) => [
  ...args.map((value) => ` --arg ${shellQuoted(JSON.stringify(value))}`),
  ...Object.entries(kwargs).map(([key, value]) => ` ${shellQuoted(`${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)}`),
].join("");

/** @typedef {{method: string, path: string, body?: any, query?: Record<string, any>}} Request */

/** @param {Request} what */
export function curl({ method, path, body, query }) {
  const lines = [`curl -X ${method} ${shellQuoted(url(path, query).href)}`, "-H \"X-Pulsing-Token: $PULSING_ADMIN_TOKEN\""];
  if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${shellQuoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

/** A request in Python, for what the library itself has no call for. @param {Request} what */
export function pythonRequest({ method, path, body, query }) {
  const json = body === undefined ? "" : `,\n    json=${python(body)}`;
  return `import os\n\nimport httpx\n\nanswer = httpx.request(\n    ${JSON.stringify(method)},\n    ${JSON.stringify(url(path, query).href)},\n    headers={"X-Pulsing-Token": os.environ["PULSING_ADMIN_TOKEN"]}${json},\n)\nprint(answer.json())`;
}

/** Offers an action as code. Without `python` it is a request; without `cli` the command line has no word for it.
 * @param {{request: () => Request, python?: () => string, cli?: () => string}} props */
export function CopyAs({ request, python: code = () => pythonRequest(request()), cli }) {
  const copy = (/** @type {string} */ name, /** @type {() => string} */ make) => () => navigator.clipboard.writeText(make()).then(
    () => toast("good", `Copied as ${name}`),
    () => toast("bad", "This browser does not allow copying here"),
  );
  return html`<${Menu} title="Copy this action as code" label=${html`<${Icon} name="copy" size=${14} />Copy as<${Icon} name="down" size=${12} />`}>
    <button type="button" data-close onClick=${copy("curl", () => curl(request()))}>curl</button>
    <button type="button" data-close onClick=${copy("Python", code)}>Python</button>
    ${cli && html`<button type="button" data-close onClick=${copy("command", cli)}>Command line</button>`}<//>`;
}
