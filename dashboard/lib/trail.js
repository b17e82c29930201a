/** The recent past of a few numbers: what the node remembers, continued by what this page has seen. */

/** @typedef {{times: number[], series: Record<string, Array<number | null>>}} Trail times in seconds */

/** @type {Trail} */
export const NO_TRAIL = Object.freeze({ times: [], series: {} });

const KEPT = 900;
const TOO_CLOSE_S = 0.5;

/** Numbers of an overview under the names that the history uses. @param {any} overview @returns {Record<string, number | null>} */
export function numbersOf(overview) {
  const { totals = {}, latency = {}, cluster = {} } = overview;
  return {
    ...totals,
    handle_p99_s: latency.handle_s?.p99 ?? null, handle_p50_s: latency.handle_s?.p50 ?? null,
    wait_p99_s: latency.wait_s?.p99 ?? null, wait_p50_s: latency.wait_s?.p50 ?? null,
    members: cluster.by_status?.alive ?? cluster.size ?? null,
  };
}

/** @param {Trail} trail @param {number} at seconds @param {Record<string, number | null>} numbers @returns {Trail} */
export function extend(trail, at, numbers) {
  const last = trail.times[trail.times.length - 1];
  if (last !== undefined && at <= last) return trail;
  const names = new Set([...Object.keys(trail.series), ...Object.keys(numbers)]);
  const blank = trail.times.map(() => null);
  const series = Object.fromEntries([...names].map((name) => [name, [...(trail.series[name] ?? blank), numbers[name] ?? null].slice(-KEPT)]));
  return { times: [...trail.times, at].slice(-KEPT), series };
}

/** An answer of `timeseries` as a trail. @param {any} body @returns {Trail} */
export function fromHistory(body) {
  const start = Date.parse(body.start_at) / 1000;
  const length = Math.max(0, ...body.series.map((/** @type {any} */ one) => one.values.length));
  return {
    times: Array.from({ length }, (_, index) => start + index * body.step_s),
    series: Object.fromEntries(body.series.map((/** @type {any} */ one) => [one.name, one.values])),
  };
}

/** The node's memory, then what came after it. @param {Trail} history @param {Trail} seen @returns {Trail} */
export function joined(history, seen) {
  const last = history.times[history.times.length - 1] ?? -Infinity;
  // What was seen within the same second may be ahead of what was read: together they would look like a leap.
  const from = seen.times.findIndex((at) => at > last + TOO_CLOSE_S);
  if (from < 0) return history;
  const names = new Set([...Object.keys(history.series), ...Object.keys(seen.series)]);
  const times = [...history.times, ...seen.times.slice(from)];
  const series = Object.fromEntries([...names].map((name) => [name, [
    ...(history.series[name] ?? history.times.map(() => null)), ...(seen.series[name] ?? seen.times.map(() => null)).slice(from),
  ]]));
  return { times, series };
}

/** The last `seconds` of a trail. @param {Trail} trail @param {number} seconds @returns {Trail} */
export function recent(trail, seconds) {
  const end = trail.times[trail.times.length - 1] ?? 0;
  const from = Math.max(0, trail.times.findIndex((at) => at >= end - seconds));
  return { times: trail.times.slice(from), series: Object.fromEntries(Object.entries(trail.series).map(([name, values]) => [name, values.slice(from)])) };
}

const DIP_LENGTH = 90;

const UNSURE = 6;

/** Whether what fell at `from` comes back in one leap soon: then nothing was lost, only not told. @param {Array<number | null>} values @param {number} from @param {number} most */
function leapsBack(values, from, most) {
  const fall = most - /** @type {number} */ (values[from]);
  let before = /** @type {number} */ (values[from]);
  for (const later of values.slice(from + 1, from + DIP_LENGTH)) {
    if (later == null) continue;
    if (later >= most) return later - before >= fall / 2;
    before = later;
  }
  return false;
}

/** A counter without its dips: for a moment a node did not answer, and the sum lacked its part. A fall that lasts is a restart.
 * @param {Array<number | null>} values @returns {Array<number | null>} */
export function withoutDips(values) {
  let most = -Infinity;
  return values.map((value, index) => {
    if (value == null) return null;
    if (value < most && (index >= values.length - UNSURE || leapsBack(values, index, most))) return null;
    most = value;
    return value;
  });
}

const LONGEST_GAP_S = 60;

/** Values with short gaps bridged by a straight line: a busy node reads its numbers less often, and is not gone for that.
 * @param {number[]} times @param {Array<number | null>} values @returns {Array<number | null>} */
export function bridged(times, values) {
  const result = values.slice();
  let before = -1;
  values.forEach((value, index) => {
    if (value == null) return;
    const start = before >= 0 ? values[before] : null;
    if (start != null && times[index] - times[before] <= LONGEST_GAP_S) {
      for (let at = before + 1; at < index; at += 1) result[at] = start + ((value - start) * (times[at] - times[before])) / (times[index] - times[before]);
    }
    before = index;
  });
  return result;
}

/** Growth a second of a counter, smoothed over `over` seconds; null where it is unknown.
 * @param {number[]} times @param {Array<number | null> | undefined} values @param {number} [over] @returns {Array<number | null>} */
export function growth(times, values = [], over = 5) {
  const known = withoutDips(values);
  let from = 0;
  return times.map((at, index) => {
    // The readings of a busy node may be further apart than `over`: then from the last one before it.
    for (let next = from + 1; next < index && (known[from] == null || times[from] < at - over); next += 1) if (known[next] != null) from = next;
    const [first, last] = [known[from], known[index]];
    if (from >= index || first == null || last == null || last < first || at - times[from] < TOO_CLOSE_S) return null;
    return (last - first) / (at - times[from]);
  });
}
