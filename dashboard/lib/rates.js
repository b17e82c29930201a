/** Rates of the rows on screen, read beside a live view. */
import { keyOf, rateOf } from "./store.js";

/** @param {{samples: {value: import("./store.js").Samples}}} subscription @returns {(row: any, field: string) => number | null} */
export function ratesOf(subscription) {
  const samples = subscription.samples.value;
  return (row, field) => rateOf(samples, keyOf(row), field);
}
