/** What a window shows after snapshots, deltas and appended rows; rates from counters; sorting. */
import assert from "node:assert/strict";
import test from "node:test";

import { EMPTY, append, delta, fromList, grown, keyOf, rateOf, sampled, snapshot, sortRows, sortedBy } from "../../../dashboard/lib/store.js";

const FRAME = { rev: 7, total: 3, filtered: 2, offset: 0, rows: [{ id: "a", n: 1 }, { id: "b", n: 2 }] };

test("a snapshot replaces what was shown", () => {
  const view = snapshot({ ...EMPTY, rows: [{ id: "old" }] }, FRAME, 1000);
  assert.deepEqual(view.rows.map(keyOf), ["a", "b"]);
  assert.equal(view.filtered, 2);
  assert.equal(view.rev, 7);
  assert.equal(view.loaded, true);
});

test("a delta changes, adds, removes and orders rows", () => {
  const view = delta(snapshot(EMPTY, FRAME, 0), { rev: 8, base: 7, filtered: 2, set: [{ id: "b", n: 5 }, { id: "c", n: 9 }], del: ["a"], order: ["c", "b"] }, 1);
  assert.deepEqual(view?.rows, [{ id: "c", n: 9 }, { id: "b", n: 5 }]);
  assert.equal(view?.rev, 8);
});

test("a delta keeps the fields that it does not name", () => {
  const start = snapshot(EMPTY, { ...FRAME, rows: [{ id: "a", name: "x", n: 1 }] }, 0);
  assert.deepEqual(delta(start, { rev: 8, base: 7, set: [{ id: "a", n: 2 }] }, 1)?.rows, [{ id: "a", name: "x", n: 2 }]);
});

test("a delta on another revision is refused, so that the window is asked for again", () => {
  assert.equal(delta(snapshot(EMPTY, FRAME, 0), { rev: 9, base: 8, set: [] }, 1), null);
  assert.equal(delta(EMPTY, { rev: 1, base: -1, set: [] }, 1), null);
});

test("rows without an id are told apart by queue, topic, class and method", () => {
  assert.equal(keyOf({ queue: "q" }), "q");
  assert.equal(keyOf({ topic: "t" }), "t");
  assert.equal(keyOf({ class: "C", method: "m" }), "C.m");
  assert.equal(keyOf({ class: "C" }), "C");
});

test("a window behind rows that have come keeps its size and knows how many there are", () => {
  const start = snapshot(EMPTY, { rows: [{ id: "2" }, { id: "1" }], rev: 4, total: 2 }, 0);
  const next = grown(start, { rows: [{ id: "3" }, { id: "4" }], rev: 5, base: 4, total: 4, filtered: 4 }, 1, 3);
  assert.deepEqual(next?.rows.map((row) => row.id), ["4", "3", "2"]);
  assert.deepEqual([next?.rev, next?.total, next?.filtered], [5, 4, 4]);
});

test("a window that other rows should have come to is asked for again", () => {
  const start = snapshot(EMPTY, { rows: [], rev: 4 }, 0);
  assert.equal(grown(start, { rows: [{ id: "3" }], rev: 6, base: 5 }, 1, 3), null);
});

test("appended rows come first, once, and the oldest fall off", () => {
  const start = append(EMPTY, [{ id: "1" }, { id: "2" }], 0);
  const next = append(start, [{ id: "2" }, { id: "3" }], 1, 2);
  assert.deepEqual(next.rows.map(keyOf), ["3", "2"]);
});

test("a list of REST and a single object become the same kind of view", () => {
  assert.equal(fromList({ items: [{ id: "a" }], total: 9, filtered: 4, revision: 3 }, 0).filtered, 4);
  assert.deepEqual(fromList({ queue: "q", records: 3 }, 0).rows, [{ queue: "q", records: 3 }]);
});

test("a rate is the growth of a counter over the readings kept", () => {
  let samples = sampled(new Map(), [{ id: "a", n: 10 }], 0);
  assert.equal(rateOf(samples, "a", "n"), null);
  samples = sampled(samples, [{ id: "a", n: 30 }], 2000);
  assert.equal(rateOf(samples, "a", "n"), 10);
});

test("a counter that fell gives no rate", () => {
  const samples = sampled(sampled(new Map(), [{ id: "a", n: 10 }], 0), [{ id: "a", n: 1 }], 1000);
  assert.equal(rateOf(samples, "a", "n"), null);
});

test("rows that left and readings that are old are forgotten", () => {
  const samples = sampled(sampled(new Map(), [{ id: "a", n: 1 }], 0), [{ id: "b", n: 1 }], 60_000);
  assert.deepEqual([...samples.keys()], ["b"]);
  assert.equal(sampled(samples, [{ id: "b", n: 1 }], 120_000).get("b")?.length, 1);
});

test("a click sorts, a second one turns round, Shift adds a key", () => {
  assert.equal(sortedBy("name", "mailbox", false, true), "-mailbox");
  assert.equal(sortedBy("-mailbox", "mailbox", false, true), "mailbox");
  assert.equal(sortedBy("-mailbox", "name", true), "-mailbox,name");
  assert.equal(sortedBy("-mailbox,name", "name", true), "-mailbox,-name");
});

test("sorting is stable, reaches into objects and puts unknown values at the low end", () => {
  const rows = [{ id: "1", s: { p: 2 } }, { id: "2", s: null }, { id: "3", s: { p: 10 } }];
  assert.deepEqual(sortRows(rows, "-s.p").map(keyOf), ["3", "1", "2"]);
  assert.deepEqual(sortRows([{ id: "w10" }, { id: "w9" }], "id").map(keyOf), ["w9", "w10"]);
});
