/** What this page has seen of the overview since it was opened; it outlives the pages. */
import { signal } from "./html.js";
import { NO_TRAIL, extend, numbersOf } from "./trail.js";

/** @type {import("../vendor/signals-core.js").Signal<import("./trail.js").Trail>} */
export const seen = signal(NO_TRAIL);

/** @param {any} overview @param {number} now milliseconds */
export function remember(overview, now) {
  if (overview?.totals && !overview.partial) seen.value = extend(seen.peek(), Math.floor(now / 1000), numbersOf(overview));
}
