/** What the reader may do, doing it, and saying how it went. */
import { Problem, request, session } from "./api.js";
import { toast } from "./dialog.js";
import { html, signal } from "./html.js";
import { Icon } from "./icons.js";
import { canDo } from "./offers.js";

/** @type {import("../vendor/signals-core.js").Signal<any>} the answer of `whoami` */
export const me = signal(null);

/** Why what is for a role is not for the reader, or "" when it is. @param {"operator" | "admin"} needed */
export function whyNotFor(needed) {
  const role = me.value?.role ?? session.value?.role ?? "viewer";
  return role === "admin" || role === needed ? "" : `needs the role ${needed}; you are ${role}`;
}

/** Why an action is not allowed here, or "" when it is. @param {string} action */
export function whyNot(action) {
  const unfit = whyNotFor(action === "cluster.join" ? "admin" : "operator");
  if (unfit) return unfit;
  if (me.value?.read_only) return "this node is read-only (admin.read_only)";
  if (me.value?.disabled_actions?.includes(action)) return `turned off by admin.disabled_actions: ${action}`;
  return "";
}

/** A button that is grey and says why when its action is not allowed, and absent where the node does not know it; `disabled`
 * may be the reason why there is nothing to do now.
 * @param {{action: string, icon?: string, class?: string, onClick?: () => void, type?: string, title?: string, disabled?: boolean | string, children?: any, form?: string}} props */
export function Act({ action, icon, class: name = "button", onClick, type = "button", title, disabled, children, form }) {
  if (!canDo(action)) return null;
  const why = whyNot(action);
  return html`<button type=${type} form=${form} class=${name} disabled=${Boolean(why || disabled)} title=${why || (typeof disabled === "string" && disabled) || title} onClick=${onClick}>
    ${icon && html`<${Icon} name=${icon} size=${14} />`}${children}</button>`;
}

/** Sends a request and tells its outcome; null when it failed. @param {string} done what to say on success
 * @param {string} method @param {string} path @param {import("./api.js").Options} [options] @param {(answer: any) => string} [detail] */
export async function act(done, method, path, options, detail) {
  try {
    const answer = await request(method, path, options);
    toast("good", done, detail?.(answer));
    return answer ?? {};
  } catch (error) {
    failed(error);
    return null;
  }
}

/** @param {any} error */
export function failed(error) {
  if (error instanceof Problem) toast("bad", error.body.title, error.body.detail, error.body.hint);
  else toast("bad", "Failed", String(error?.message ?? error));
}

/** Runs `one` for each object, a few at a time, and tells how many failed and why the first one did.
 * @param {string} done @param {string[]} ids @param {(id: string) => Promise<any>} one */
export async function each(done, ids, one) {
  const waiting = [...ids];
  /** @type {any[]} */
  const failures = [];
  const worker = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) await one(id).catch((error) => failures.push(error));
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  if (failures.length) toast("bad", `${failures.length} of ${ids.length} failed`, failures[0].message, failures[0].body?.hint);
  if (failures.length < ids.length) toast("good", `${done}: ${ids.length - failures.length}`);
}
