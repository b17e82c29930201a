/** Where the reader is, kept in the hash so that any path prefix works and any view can be sent as a link. */
import { signal } from "./html.js";

/** @typedef {{page: string, id: string, query: Record<string, string>}} Route */

/** `#/actors/a~b?state=running` → page, id and query. @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  return {
    page: page || "overview",
    id: rest.map(decoded).join("/"),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/** A link to a page, an object on it and its query; empty values are left out. @param {string} page @param {string} [id] @param {Record<string, unknown>} [query] */
export function link(page, id = "", query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ""}${search ? `?${search}` : ""}`;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal(parse(globalThis.location?.hash ?? ""));

/** @param {string} to */
export function go(to) {
  globalThis.location.hash = to;
}

/** Changes the query of the page that is open without a new entry in the history. @param {Record<string, unknown>} changes */
export function setQuery(changes) {
  const { page, id, query } = route.peek();
  const next = link(page, id, { ...query, ...changes });
  globalThis.history.replaceState(null, "", next);
  route.value = parse(next);
}

export function startRouter() {
  globalThis.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#login=")) return;
    route.value = parse(location.hash);
  });
}
