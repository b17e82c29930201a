/** Talks to REST: where it is, who asks, and what went wrong in words that can be shown. */
import { signal } from "./html.js";

/** @typedef {{token: string, name: string, role: "viewer" | "operator" | "admin", expires_at?: string}} Session */
/** @typedef {{type: string, title: string, status: number, detail: string, hint?: string, errors?: Array<{loc: any[], msg: string}>, [more: string]: any}} ProblemBody */

/** An answer that is not a success, with the server's own explanation. */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor(body) {
    super(body.detail || body.title);
    this.body = body;
    this.status = body.status;
    this.slug = String(body.type ?? "").split("/").pop() ?? "";
  }
}

const ROOT = new URL("../api/v1/", globalThis.document?.baseURI.split("#")[0] ?? "file:///ui/");
const KEY = `pulsing.session:${ROOT.pathname}`;

/** @type {import("../vendor/signals-core.js").Signal<Session | null>} */
export const session = signal(remembered());

function remembered() {
  try {
    return JSON.parse(globalThis.localStorage?.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/** @param {Session | null} next */
function remember(next) {
  session.value = next;
  if (next) localStorage.setItem(KEY, JSON.stringify(next));
  else localStorage.removeItem(KEY);
}

/** @param {string} path relative to the prefix @param {Record<string, unknown>} [query] lists repeat their key */
export function url(path, query = {}) {
  const full = new URL(path.replace(/^\//, ""), ROOT);
  for (const [key, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") full.searchParams.append(key, String(each));
    }
  }
  return full;
}

/** A name or id as one part of a path. @param {string} name */
export const part = (name) => encodeURIComponent(name.replaceAll("/", "~")).replaceAll("%3A", ":").replaceAll("%7E", "~");

/** A text as a header may carry it: one line, each byte of its UTF-8 a character. @param {string} text */
export const inHeader = (text) => String.fromCharCode(...new TextEncoder().encode(text.replaceAll(/\s+/g, " ").trim()));

/** @typedef {{body?: unknown, query?: Record<string, unknown>, reason?: string, accept?: string, headers?: Record<string, string>, signal?: AbortSignal}} Options */

/** The raw answer, whatever its status. @param {string} method @param {string} path @param {Options} [options] */
export async function send(method, path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: options.accept ?? "application/json", ...options.headers };
  if (session.peek()) headers["X-Pulsing-Token"] = /** @type {Session} */ (session.peek()).token;
  if (options.reason) headers["X-Reason"] = inHeader(options.reason);
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  try {
    return await fetch(url(path, options.query), { method, headers, body, signal: options.signal, cache: "no-store" });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new Problem(unreachable());
  }
}

/** @returns {ProblemBody} */
const unreachable = () => ({
  type: "/problems/unreachable", title: "Node does not answer", status: 0,
  detail: "the node that serves this page does not answer", hint: "Is its process still running? The page tries again by itself.",
});

/** The parsed answer; anything but a success throws a Problem. @param {string} method @param {string} path @param {Options} [options] @returns {Promise<any>} */
export async function request(method, path, options) {
  const answer = await send(method, path, options);
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? null : answer.json();
}

/** @param {string} path @param {Record<string, unknown>} [query] */
export const get = (path, query) => request("GET", path, { query });

/** @param {Response} answer */
export async function problemOf(answer) {
  if (answer.status === 401) remember(null);
  const body = await answer.json().catch(() => null);
  const problem = body && typeof body === "object" ? body : {};
  const fallback = { type: `/problems/http-${answer.status}`, title: answer.statusText || "Request failed", detail: `the server answered ${answer.status}` };
  return new Problem({ ...fallback, ...problem, status: answer.status });
}

/** @param {{code: string} | {token: string}} proof */
export async function login(proof) {
  const answer = await fetch(url("session"), {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(proof), cache: "no-store",
  }).catch(() => null);
  if (!answer) throw new Problem(unreachable());
  if (!answer.ok) throw await problemOf(answer);
  remember(await answer.json());
}

export async function logout() {
  await send("DELETE", "session").catch(() => null);
  remember(null);
}
