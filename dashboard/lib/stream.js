/** One live channel for the whole page: what is on screen is subscribed, polling stands in where the channel fails. */
import { problemOf, request, send, session } from "./api.js";
import { batch, signal, useEffect, useRef } from "./html.js";
import { read } from "./sse.js";
import { EMPTY, append, delta, fromList, grown, sampled, snapshot } from "./store.js";

/**
 * @typedef {{topic: string, id?: string, filter?: Record<string, any>, search?: string, sort?: string, offset?: number, limit?: number, system?: boolean}} Spec
 * @typedef {{name: string, spec: Spec, view: {value: import("./store.js").View, peek(): import("./store.js").View},
 *   samples: {value: import("./store.js").Samples, peek(): import("./store.js").Samples}, polled: boolean, etag: string, asked: number, since: number}} Subscription
 */

const LISTS = { dead_letters: "dead-letters", members: "cluster/members" };
const SINGLES = { actor: "actors", queue: "queues", topic: "topics" };
const APPENDED = new Set(["events"]);
/** Rows of a window for which nobody said how many. */
const WINDOW = 100;
const HIDDEN_MS = 5_000;
const POLL_MS = 2_000;
const OVERDUE_MS = 4_000;
const BEAT_MS = 900;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** `state`: connecting, live, polling, lost, paused. `at`: when the last frame came. */
export const channel = signal({ state: "connecting", at: 0, tick: 1, note: "" });

/** Milliseconds, once a second while data is fresh: what ages and relative times are counted from. */
export const now = signal(Date.now());

/** @type {Map<string, Subscription>} */
const subscriptions = new Map();
let serial = 0;
let sid = "";
let lastId = "";
let attempts = 0;
let sending = false;
/** @type {AbortController | null} */
let connection = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;
/** @type {{add: Set<string>, remove: Set<string>}} */
let changes = { add: new Set(), remove: new Set() };

/** The REST equivalent of a subscription. @param {Spec} spec @returns {[string, Record<string, any>]} */
export function restOf(spec) {
  const path = spec.id === undefined ? LISTS[spec.topic] ?? spec.topic : `${SINGLES[spec.topic]}/${spec.id}`;
  const { topic: _topic, id: _id, filter, ...window } = spec;
  return [path, { ...filter, ...window }];
}

/** @param {Spec} spec @returns {Subscription} */
function open(spec) {
  const name = `s${(serial += 1)}`;
  const subscription = { name, spec, view: signal(EMPTY), samples: signal(new Map()), polled: false, etag: "", asked: 0, since: Date.now() };
  subscriptions.set(name, subscription);
  announce({ add: name });
  return subscription;
}

/** @param {Subscription} subscription @param {Spec} spec */
function update(subscription, spec) {
  subscription.spec = spec;
  subscription.etag = "";
  subscription.polled = false;
  announce({ add: subscription.name });
}

/** @param {Subscription} subscription */
function close(subscription) {
  subscriptions.delete(subscription.name);
  announce({ remove: subscription.name });
}

/** Gathers changes of one turn, so that a page with five parts makes one request. @param {{add?: string, remove?: string}} change */
function announce({ add, remove }) {
  if (add) changes.add.add(add);
  if (remove) {
    changes.add.delete(remove);
    changes.remove.add(remove);
  }
  clearTimeout(pending);
  pending = setTimeout(flush, 20);
}

async function flush() {
  if (!sid) {
    if (channel.peek().state === "polling") [...changes.add].forEach(pollByName);
    if (!connection && subscriptions.size) connect();
    return;
  }
  // One at a time: of two changes under way together, the older one could arrive last and stay.
  if (sending) return;
  const [add, remove] = [wire([...changes.add]), [...changes.remove]];
  changes = { add: new Set(), remove: new Set() };
  if (!add.length && !remove.length) return;
  sending = true;
  try {
    await request("POST", `stream/${sid}`, { body: { add, remove } });
  } catch (error) {
    const { status } = /** @type {any} */ (error);
    if (status === 400 || status === 422) add.forEach(({ sub }) => stepDown(sub));
    else connection?.abort();
  }
  sending = false;
  if (changes.add.size || changes.remove.size) announce({});
}

/** What the stream will not answer is asked by REST, whose answer says why. @param {string} name */
function stepDown(name) {
  const subscription = subscriptions.get(name);
  if (!subscription) return;
  subscription.polled = true;
  poll(subscription);
}

/** @param {string[]} names */
const wire = (names) => names.flatMap((name) => {
  const subscription = subscriptions.get(name);
  return subscription && !subscription.polled ? [{ sub: name, ...subscription.spec }] : [];
});

async function connect() {
  if (!session.peek() || document.hidden) return;
  connection = new AbortController();
  const mine = connection;
  changes = { add: new Set(), remove: new Set() };
  const headers = lastId ? { "Last-Event-ID": lastId } : undefined;
  const query = { sub: JSON.stringify(wire([...subscriptions.keys()])) };
  try {
    await read("GET", "stream", { query, headers, signal: mine.signal }, (frames) => batch(() => {
      frames.forEach(receive);
      beat(BEAT_MS);
    }));
    reconnect(mine, "the stream ended");
  } catch (error) {
    refused(mine, /** @type {any} */ (error));
  }
}

/** @param {AbortController} mine @param {any} error */
function refused(mine, error) {
  const missing = error.status === 400 || error.status === 404 || error.status === 422 || error.status === 429;
  if (missing) show("polling", error.message);
  reconnect(mine, error.message, missing ? 30_000 : undefined);
}

/** @param {AbortController} mine @param {string} why @param {number} [wait] */
function reconnect(mine, why, wait) {
  if (connection !== mine) return;
  connection = null;
  sid = "";
  if (channel.peek().state !== "polling") show(document.hidden ? "paused" : "lost", why);
  const delay = wait ?? RETRY_MS[Math.min(attempts, RETRY_MS.length - 1)];
  attempts += 1;
  setTimeout(() => {
    if (!connection && subscriptions.size) connect();
  }, delay);
}

/** @param {string} state @param {string} [note] */
const show = (state, note = "") => {
  channel.value = { ...channel.peek(), state, note };
};

/** @param {import("./sse.js").Frame} frame */
function receive({ id, event, data }) {
  if (id) lastId = id;
  attempts = 0;
  channel.value = { ...channel.peek(), state: "live", at: Date.now(), tick: data.tick_s ?? channel.peek().tick, note: "" };
  HANDLERS[event]?.(data, subscriptions.get(data.sub));
}

/** @type {Record<string, (data: any, subscription: Subscription | undefined) => void>} */
const HANDLERS = {
  hello(data) {
    sid = data.sid;
    if (changes.add.size || changes.remove.size) announce({});
  },
  snapshot(data, subscription) {
    if (subscription) subscription.view.value = snapshot(subscription.view.peek(), data, Date.now());
  },
  delta(data, subscription) {
    if (subscription) take(subscription, delta(subscription.view.peek(), data, Date.now()));
  },
  append(data, subscription) {
    if (!subscription) return;
    const view = subscription.view.peek();
    const { topic, limit = WINDOW } = subscription.spec;
    if (APPENDED.has(topic)) subscription.view.value = append(view, data.rows ?? [], Date.now());
    else take(subscription, grown(view, data, Date.now(), limit));
  },
  error(data, subscription) {
    if (!subscription) return;
    if (["validation", "topic-not-supported", "bad-filter", "bad-sort"].some((slug) => String(data.problem?.type).endsWith(slug))) {
      stepDown(subscription.name);
      return;
    }
    subscription.view.value = { ...subscription.view.peek(), problem: data.problem, loaded: true };
    if (data.problem.status >= 500) setTimeout(() => subscriptions.has(subscription.name) && announce({ add: subscription.name }), POLL_MS);
  },
};

/** Shows the next view, or asks for the window again where there is none. @param {Subscription} subscription @param {import("./store.js").View | null} next */
function take(subscription, next) {
  if (next) subscription.view.value = next;
  else announce({ add: subscription.name });
}

/** @param {string} name */
function pollByName(name) {
  const subscription = subscriptions.get(name);
  if (subscription) poll(subscription);
}

/** @param {Subscription} subscription */
async function poll(subscription) {
  const asked = (subscription.asked += 1);
  const [path, query] = restOf(subscription.spec);
  /** @type {Record<string, string>} */
  const headers = subscription.etag ? { "If-None-Match": subscription.etag } : {};
  const old = subscription.view.peek();
  try {
    const answer = await send("GET", path, { query, headers });
    if (asked !== subscription.asked || !subscriptions.has(subscription.name)) return;
    channel.value = { ...channel.peek(), at: Date.now() };
    if (answer.status === 304) return;
    if (!answer.ok) throw await problemOf(answer);
    subscription.etag = answer.headers.get("etag") ?? "";
    const body = await answer.json();
    subscription.view.value = APPENDED.has(subscription.spec.topic)
      ? append(old, [...body.items].reverse(), Date.now())
      : fromList(body, Date.now());
  } catch (error) {
    subscription.view.value = { ...old, loaded: true, problem: /** @type {any} */ (error).body ?? { title: "Failed", detail: String(error) } };
  }
}

/** Moves the page's clock and reads the counters, at most once in `after` milliseconds: with the frames of a tick, so
 * that what they change and what ages are drawn together.
 * @param {number} after */
function beat(after) {
  const { state } = channel.peek();
  if (Date.now() - now.peek() < after || (state !== "live" && state !== "polling")) return;
  now.value = Date.now();
  for (const subscription of subscriptions.values()) {
    const { rows, partial } = subscription.view.peek();
    if (rows.length && !partial) subscription.samples.value = sampled(subscription.samples.peek(), rows, Date.now());
  }
}

function pollAll() {
  const everything = channel.peek().state === "polling" && !document.hidden;
  for (const subscription of subscriptions.values()) {
    // A snapshot that does not come must not leave a part of the page empty: REST answers the same question.
    const overdue = !subscription.view.peek().loaded && Date.now() - subscription.since > OVERDUE_MS;
    if (everything || subscription.polled || (overdue && !document.hidden)) poll(subscription);
  }
}

/** Starts the clock of the page and ties the channel to the tab's visibility and the session. */
export function startStream() {
  setInterval(() => batch(() => beat(1.5 * BEAT_MS)), BEAT_MS / 2);
  setInterval(pollAll, POLL_MS);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let hiding;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(stop, HIDDEN_MS);
    else if (!connection && subscriptions.size) connect();
  });
  session.subscribe((who) => (who ? announce({}) : stop()));
}

function stop() {
  const mine = connection;
  connection = null;
  sid = "";
  mine?.abort();
  show("paused");
}

/** A live view of what `spec` asks for, for as long as the part is on screen. @param {Spec} spec */
export function useLive(spec) {
  const held = useRef(/** @type {Subscription | null} */ (null));
  held.current ??= open(spec);
  const subscription = held.current;
  const wanted = JSON.stringify(spec);
  useEffect(() => {
    if (JSON.stringify(subscription.spec) !== wanted) update(subscription, JSON.parse(wanted));
  }, [wanted]);
  useEffect(() => () => close(subscription), []);
  return subscription;
}

/** Rows fetched once, and again every `every` milliseconds where given. @param {string} path @param {Record<string, any>} [query] @param {number} [every] */
export function useRest(path, query = {}, every) {
  const state = useRef(signal(/** @type {{data: any, problem: any, loaded: boolean, reload: () => void}} */ ({ data: null, problem: null, loaded: false, reload() {} })));
  const wanted = JSON.stringify([path, query]);
  useEffect(() => {
    let gone = false;
    const load = async () => {
      try {
        const data = await request("GET", path, { query });
        if (!gone) state.current.value = { data, problem: null, loaded: true, reload: load };
      } catch (error) {
        if (!gone) state.current.value = { ...state.current.peek(), problem: /** @type {any} */ (error).body, loaded: true, reload: load };
      }
    };
    load();
    const timer = every ? setInterval(() => !document.hidden && load(), every) : undefined;
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [wanted, every]);
  return state.current.value;
}
