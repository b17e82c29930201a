/** Rows whose actor ended a moment ago: they stay where they stood, so that nobody wonders what has vanished. */
import { keyOf } from "./store.js";

/** @typedef {{row: any, after: string | null, until: number, ended: boolean}} Ghost
 * `after`: the key of the row above it, null at the top; `ended`: false until an event tells that it did */

const STAYS_MS = 30_000;
/** So long the event of an end may come after its row has gone. */
const LATE_MS = 5_000;

/** Ghosts at `now`: those that stay, and rows of the last look that are no longer there. Rows and events come apart:
 * a row may be gone before its end is known.
 * @param {Ghost[]} ghosts @param {any[]} before rows of the last look @param {any[]} rows rows of this one
 * @param {Map<string, string>} ends how each that ended did, by id @param {number} now @returns {Ghost[]} */
export function ghostsOf(ghosts, before, rows, ends, now) {
  const here = new Set(rows.map(keyOf));
  const kept = ghosts.filter((ghost) => ghost.until > now && !here.has(keyOf(ghost.row)));
  const known = new Set(kept.map((ghost) => keyOf(ghost.row)));
  const fresh = before.flatMap((row, index) => {
    const key = keyOf(row);
    if (here.has(key) || known.has(key)) return [];
    return [{ row, after: index ? keyOf(before[index - 1]) : null, until: now + LATE_MS, ended: false }];
  });
  return [...kept, ...fresh].map((ghost) => (ghost.ended || !ends.has(keyOf(ghost.row)) ? ghost : { ...ghost, ended: true, until: now + STAYS_MS, row: { ...ghost.row, state: ends.get(keyOf(ghost.row)), busy: false, mailbox: 0 } }));
}

/** The rows with each ghost behind the row that it followed; one whose place has left the window is left out.
 * @param {any[]} rows @param {Ghost[]} ghosts */
export function withGhosts(rows, ghosts) {
  const result = [...rows];
  for (const { row, after, ended } of ghosts) {
    const at = after === null ? -1 : result.findIndex((each) => keyOf(each) === after);
    if (ended && (after === null || at >= 0)) result.splice(at + 1, 0, row);
  }
  return result;
}

/** How actors ended, from events. @param {any[]} events @returns {Map<string, string>} */
export const endsIn = (events) => new Map(events.flatMap(({ type, subject }) => (type === "actor.stopped" || type === "actor.failed" ? [[subject?.id, type.slice("actor.".length)]] : [])));
