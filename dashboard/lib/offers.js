/** What the node that answers can do, read from its own index: a page shows no control that has nothing behind it. */
import { signal } from "./html.js";

/** `GET /queues/{}`. @type {import("../vendor/signals-core.js").Signal<Set<string>>} */
export const routes = signal(new Set());

/** Names of actions, or null before the index is known. @type {import("../vendor/signals-core.js").Signal<Set<string> | null>} */
export const actions = signal(null);

/** The index as `METHOD /path` with every parameter written `{}`. @param {any} index @returns {Set<string>} */
export function routesOf(index) {
  return new Set((index?.routes ?? []).map((/** @type {any} */ each) => `${each.method} ${String(each.path).replace(/^\/api\/v1/, "").replace(/\{[^}]*\}/g, "{}")}`));
}

/** @param {any} index */
export function learn(index) {
  routes.value = routesOf(index);
  actions.value = new Set((index?.routes ?? []).map((/** @type {any} */ each) => each.action).filter(Boolean));
}

/** @param {string} method @param {string} path with `{}` for each parameter */
export const offers = (method, path) => routes.value.has(`${method} ${path}`);

/** @param {string} action */
export const canDo = (action) => actions.value === null || actions.value.has(action);
