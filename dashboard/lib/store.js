/** State as pure functions: a window of rows under snapshots and deltas, and rates made of counters. */

/**
 * What one subscription shows. `rows` keeps the server's order.
 * @typedef {{rows: any[], total: number, filtered: number, offset: number, rev: number, partial: boolean,
 *   errors: any[], at: number, problem: any | null, loaded: boolean}} View
 */

/** @type {View} */
export const EMPTY = Object.freeze({
  rows: [], total: 0, filtered: 0, offset: 0, rev: -1, partial: false, errors: [], at: 0, problem: null, loaded: false,
});

/** What tells a row from the others of its list. @param {any} row @returns {string} */
export const keyOf = (row) => row.id ?? row.queue ?? row.topic ?? row.name ?? (row.method ? `${row.class}.${row.method}` : row.class) ?? row.key;

/** @param {View} view @param {any} frame @param {number} now milliseconds @returns {View} */
export function snapshot(view, frame, now) {
  const rows = frame.rows ?? (frame.value ? [frame.value] : []);
  const total = frame.total ?? rows.length;
  return {
    rows, total, filtered: frame.filtered ?? total, offset: frame.offset ?? 0, rev: frame.rev ?? 0,
    partial: Boolean(frame.partial), errors: frame.errors ?? [], at: now, problem: null, loaded: true,
  };
}

/** The next view, or null when the delta builds on another revision and the window must be asked for again.
 * @param {View} view @param {any} frame @param {number} now @returns {View | null} */
export function delta(view, frame, now) {
  if (!view.loaded || (frame.base !== undefined && frame.base !== view.rev)) return null;
  return {
    ...view, rows: ordered(changed(view.rows, frame), frame.order), rev: frame.rev ?? view.rev, at: now, problem: null,
    total: frame.total ?? view.total, filtered: frame.filtered ?? view.filtered,
    partial: frame.partial ?? view.partial, errors: frame.errors ?? view.errors,
  };
}

/** @param {any[]} rows @param {any} frame */
function changed(rows, { set = [], del = [] }) {
  const gone = new Set(del);
  const news = new Map(set.map((/** @type {any} */ row) => [keyOf(row), row]));
  const kept = rows.filter((row) => !gone.has(keyOf(row))).map((row) => {
    const change = news.get(keyOf(row));
    news.delete(keyOf(row));
    return change ? { ...row, ...change } : row;
  });
  return [...kept, ...news.values()];
}

/** @param {any[]} rows @param {any[] | undefined} order */
function ordered(rows, order) {
  if (!order) return rows;
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return order.flatMap((key) => (byKey.has(key) ? [byKey.get(key)] : []));
}

/** Newest first, without doubles, at most `limit`. @param {View} view @param {any[]} rows @param {number} now @param {number} [limit] @returns {View} */
export function append(view, rows, now, limit = 500) {
  const seen = new Set(rows.map(keyOf));
  const joined = [...[...rows].reverse(), ...view.rows.filter((row) => !seen.has(keyOf(row)))].slice(0, limit);
  return { ...view, rows: joined, total: joined.length, filtered: joined.length, at: now, loaded: true };
}

/** A window behind rows that have come in front, at most `limit`; null when they came in front of another revision.
 * @param {View} view @param {any} frame @param {number} now @param {number} limit @returns {View | null} */
export function grown(view, frame, now, limit) {
  const next = delta(view, frame, now);
  return next && { ...next, rows: [...[...frame.rows].reverse(), ...view.rows].slice(0, limit) };
}

/** A list of REST as the same kind of view. @param {any} body @param {number} now @returns {View} */
export function fromList(body, now) {
  return snapshot(EMPTY, { ...body, rows: body.items ?? [body], rev: body.revision }, now);
}

/** @typedef {Map<string, Array<[number, Record<string, number>]>>} Samples counters of each object at the last moments */

const KEPT_MS = 12_000;

/** Adds one reading of every row, forgets rows that left and readings that are too old.
 * @param {Samples} samples @param {any[]} rows @param {number} now @returns {Samples} */
export function sampled(samples, rows, now) {
  const next = new Map();
  for (const row of rows) {
    const old = (samples.get(keyOf(row)) ?? []).filter(([at]) => now - at <= KEPT_MS);
    next.set(keyOf(row), [...old, [now, row]]);
  }
  return next;
}

/** Growth of a counter a second over the readings kept; null before the second one or after a restart.
 * @param {Samples} samples @param {string} key @param {string} field `a.b` reaches into objects */
export function rateOf(samples, key, field) {
  const kept = samples.get(key) ?? [];
  if (kept.length < 2) return null;
  const [first, last] = [kept[0], kept[kept.length - 1]];
  const grown = reach(last[1], field) - reach(first[1], field);
  const spent = (last[0] - first[0]) / 1000;
  return spent > 0 && grown >= 0 ? grown / spent : null;
}

/** @param {any} value @param {string} path @returns {any} */
export const reach = (value, path) => path.split(".").reduce((inner, key) => inner?.[key], value);

/** Sort keys after a click on a column: alone or, with `add`, as a further key; a second click turns it round.
 * @param {string} sort @param {string} key @param {boolean} add @param {boolean} [descending] first direction */
export function sortedBy(sort, key, add, descending = false) {
  const keys = sort ? sort.split(",") : [];
  const found = keys.find((each) => each.replace(/^-/, "") === key);
  const turned = found ? (found.startsWith("-") ? key : `-${key}`) : `${descending ? "-" : ""}${key}`;
  if (!add) return turned;
  return (found ? keys.map((each) => (each === found ? turned : each)) : [...keys, turned]).slice(-4).join(",");
}

/** @param {any[]} rows @param {string} sort */
export function sortRows(rows, sort) {
  const keys = sort.split(",").filter(Boolean).map((each) => ({ field: each.replace(/^-/, ""), sign: each.startsWith("-") ? -1 : 1 }));
  return keys.length ? [...rows].sort((one, two) => compareBy(keys, one, two)) : rows;
}

/** @param {Array<{field: string, sign: number}>} keys @param {any} one @param {any} two */
function compareBy(keys, one, two) {
  for (const { field, sign } of keys) {
    const result = compare(reach(one, field), reach(two, field));
    if (result) return result * sign;
  }
  return compare(keyOf(one), keyOf(two));
}

/** @param {any} one @param {any} two */
function compare(one, two) {
  if (one == null || two == null) return one == null ? (two == null ? 0 : -1) : 1;
  if (typeof one === "number" && typeof two === "number") return one - two;
  return String(one).localeCompare(String(two), "en", { numeric: true });
}
