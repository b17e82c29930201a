/** Numbers, durations, sizes and times as people read them, each with its unit. */

export const NONE = "–";

const COUNT_STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const EXACT_BELOW = 1e4;
// Made once: toLocaleString makes a formatter for each number, a third of what an update of a large table cost.
const EXACT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 6 });
const BYTE_STEPS = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];
const AGE_STEPS = [[86400, "d"], [3600, "h"], [60, "m"]];

/** @param {unknown} value @returns {value is number} */
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Three significant digits without a tail of zeros. @param {number} value */
function short(value) {
  const size = Math.abs(value);
  const digits = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A whole number: exact up to 9,999, then 12.3k. @param {unknown} value */
export function count(value) {
  if (!known(value)) return NONE;
  if (Math.abs(value) < EXACT_BELOW) return EXACT.format(Math.round(value));
  for (const [step, unit] of COUNT_STEPS) {
    if (Math.abs(value) >= /** @type {number} */ (step)) return short(value / /** @type {number} */ (step)) + unit;
  }
  return NONE;
}

/** Every digit, grouped. @param {unknown} value */
export const exact = (value) => (known(value) ? EXACT.format(value) : NONE);

/** Events a second. @param {unknown} value @param {string} [unit] */
export function rate(value, unit = "/s") {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  return (size >= 1e3 ? count(value) : size > 0 && size < 0.01 ? "<0.01" : short(value)) + unit;
}

/** @param {unknown} value */
export function bytes(value) {
  if (!known(value)) return NONE;
  for (const [step, unit] of BYTE_STEPS) {
    if (Math.abs(value) >= /** @type {number} */ (step)) return `${short(value / /** @type {number} */ (step))} ${unit}`;
  }
  return `${Math.round(value)} B`;
}

/** A span of work or waiting: µs to minutes. @param {unknown} seconds */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds === 0) return "0 s";
  const size = Math.abs(seconds);
  if (size < 1e-3) return `${short(seconds * 1e6)} µs`;
  if (size < 1) return `${short(seconds * 1e3)} ms`;
  return size < 60 ? `${short(seconds)} s` : age(seconds);
}

/** A span of life: two largest units. @param {unknown} seconds */
export function age(seconds) {
  if (!known(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const at = AGE_STEPS.findIndex(([step]) => whole >= /** @type {number} */ (step));
  const [step, unit] = /** @type {[number, string]} */ (AGE_STEPS[at]);
  const [lower, name] = /** @type {[number, string]} */ (AGE_STEPS[at + 1] ?? [1, "s"]);
  const rest = Math.floor((whole % step) / lower);
  return rest ? `${Math.floor(whole / step)} ${unit} ${rest} ${name}` : `${Math.floor(whole / step)} ${unit}`;
}

/** @param {unknown} value */
export const percent = (value) => (known(value) ? `${short(value * 100)} %` : NONE);

/** Seconds since an RFC 3339 time, or null. @param {string | null | undefined} at @param {number} now milliseconds */
export function since(at, now) {
  const then = at ? Date.parse(at) : NaN;
  return Number.isNaN(then) ? null : Math.max(0, (now - then) / 1000);
}

/** @param {string | null | undefined} at @param {number} now milliseconds */
export function ago(at, now) {
  const seconds = since(at, now);
  if (seconds === null) return NONE;
  return seconds < 1 ? "just now" : `${age(seconds)} ago`;
}

/** Local clock time with milliseconds. @param {string | null | undefined} at */
export function clock(at) {
  const then = at ? new Date(at) : null;
  if (!then || Number.isNaN(then.getTime())) return NONE;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())}.${String(then.getMilliseconds()).padStart(3, "0")}`;
}

/** The whole moment, for a tooltip. @param {string | null | undefined} at */
export function moment(at) {
  const then = at ? new Date(at) : null;
  return !then || Number.isNaN(then.getTime()) ? "" : `${then.toLocaleString()} (${then.toISOString()})`;
}

/** A docstring up to its sections, which are shown at the fields. @param {string} doc */
export const description = (doc) => doc.split(/\n\s*(?:Args|Arguments|Parameters|Returns|Yields|Raises):[ \t]*(?:\n|$)/)[0].trim();

/** A limit in the unit that its name speaks of. @param {string} key @param {unknown} value */
export function limit(key, value) {
  if (/_bytes$/.test(key)) return bytes(value);
  if (/_timeout$|_s$/.test(key)) return duration(value);
  return known(value) ? exact(value) : String(value);
}

/** `app.workers.Worker` → `Worker`. @param {string | null | undefined} path */
export const className = (path) => (path ? path.slice(Math.max(path.lastIndexOf("."), path.lastIndexOf(":")) + 1) : NONE);

/** `actors/pool/w1` → `pool/w1`; what has no name is called by the tail of its id. @param {{name?: string | null, id?: string}} row */
export function actorName(row) {
  if (row.name) return row.name.replace(/^actors\//, "");
  const tail = row.id?.split(":")[1]?.replace(/^0+/, "");
  return tail ? `#${tail}` : row.id ?? NONE;
}

/** What the command line and `resolve` call an actor: its name, else its whole id. @param {{name?: string | null, id: string}} row */
export const actorTarget = (row) => row.name?.replace(/^actors\//, "") ?? row.id;

/** First eight digits of a node's id. @param {string | null | undefined} id */
export const shortId = (id) => (id ? id.slice(0, 8) : NONE);
