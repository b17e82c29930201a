/** Rows that ended stay a while where they stood. */
import assert from "node:assert/strict";
import test from "node:test";

import { endsIn, ghostsOf, withGhosts } from "../../../dashboard/lib/ended.js";

const [a, b, c] = ["a", "b", "c"].map((id) => ({ id, state: "running", busy: true, mailbox: 2 }));
const STOPPED = [{ type: "actor.stopped", subject: { id: "b" } }];

test("an actor that stopped stays in its place, marked, for half a minute", () => {
  const ghosts = ghostsOf([], [a, b, c], [a, c], endsIn(STOPPED), 1_000);
  assert.deepEqual(withGhosts([a, c], ghosts).map((row) => [row.id, row.state]), [["a", "running"], ["b", "stopped"], ["c", "running"]]);
  assert.equal(ghostsOf(ghosts, [a, b, c], [a, c], new Map(), 30_999).length, 1);
  assert.equal(ghostsOf(ghosts, [a, c], [a, c], new Map(), 31_000).length, 0);
});

test("a row that left the window without ending is not shown", () => {
  assert.deepEqual(withGhosts([a], ghostsOf([], [a, b], [a], new Map(), 0)), [a]);
});

test("rows that go before their ends are known come back when these are", () => {
  const vanished = ghostsOf([], [a, b, c], [c], new Map(), 0);
  const told = ghostsOf(vanished, [c], [c], new Map([["a", "stopped"], ["b", "failed"]]), 500);
  assert.deepEqual(withGhosts([c], told).map((row) => [row.id, row.state]), [["a", "stopped"], ["b", "failed"], ["c", "running"]]);
});

test("the first row comes back to the top, and one whose neighbour has gone is left out", () => {
  const first = ghostsOf([], [a, b], [b], new Map([["a", "failed"]]), 0);
  assert.deepEqual(withGhosts([b], first).map((row) => row.id), ["a", "b"]);
  const orphan = ghostsOf([], [a, b], [a], endsIn(STOPPED), 0);
  assert.deepEqual(withGhosts([c], orphan), [c]);
});

test("an actor that lives again under its id is shown once", () => {
  const ghosts = ghostsOf([], [a, b], [a], endsIn(STOPPED), 0);
  assert.deepEqual(ghostsOf(ghosts, [a, b], [a, b], endsIn(STOPPED), 10), []);
});
