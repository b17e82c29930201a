/** Numbers and times as people read them, links, snippets, and other small pure parts. */
import assert from "node:assert/strict";
import test from "node:test";

import { points } from "../../../dashboard/lib/chart.js";
import { dataText } from "../../../dashboard/lib/eventlist.js";
import * as format from "../../../dashboard/lib/format.js";
import { oneLine, special } from "../../../dashboard/lib/json.js";
import { routesOf } from "../../../dashboard/lib/offers.js";
import { matching } from "../../../dashboard/lib/palette.js";
import { link, parse } from "../../../dashboard/lib/router.js";
import { commandArguments, python, shellQuoted } from "../../../dashboard/lib/snippets.js";
import { fitting, visible } from "../../../dashboard/lib/table.js";
import { bridged, extend, fromHistory, growth, joined, NO_TRAIL, withoutDips } from "../../../dashboard/lib/trail.js";
import { csv } from "../../../dashboard/lib/csv.js";
import { families } from "../../../dashboard/pages/metrics.js";
import { recordsOf } from "../../../dashboard/pages/queue.js";
import { spawnBody } from "../../../dashboard/pages/spawn.js";

test("counts are exact while they are short", () => {
  assert.deepEqual([0, 999, 9999, 12_345, 1_204_000].map(format.count), ["0", "999", "9,999", "12.3k", "1.2M"]);
  assert.equal(format.count(null), format.NONE);
});

test("every duration has the unit that suits it", () => {
  assert.deepEqual([0, 0.0000042, 0.0123, 2.5, 90, 7200].map(format.duration), ["0 s", "4.2 µs", "12.3 ms", "2.5 s", "1 m 30 s", "2 h"]);
});

test("ages show their two largest units", () => {
  assert.deepEqual([5, 65, 3600, 90_000].map(format.age), ["5 s", "1 m 5 s", "1 h", "1 d 1 h"]);
});

test("sizes are binary and rates say a second", () => {
  assert.equal(format.bytes(1536), "1.5 KiB");
  assert.deepEqual([0, 0.001, 12.34, 20_500].map((each) => format.rate(each)), ["0/s", "<0.01/s", "12.3/s", "20.5k/s"]);
});

test("a limit has the unit that its name speaks of", () => {
  assert.deepEqual([["user_bytes", 2 ** 29], ["ask_timeout", 30], ["mailbox", 1000], ["seeds", "none"]].map(([key, value]) => format.limit(key, value)), ["512 MiB", "30 s", "1,000", "none"]);
});

test("a method is described by what its docstring says before its sections", () => {
  assert.equal(format.description("Add to it.\n\nAs often as you like.\n\nArgs:\n    by: how much"), "Add to it.\n\nAs often as you like.");
  assert.equal(format.description("Args: none"), "Args: none");
});

test("an event tells its numbers in few digits and counts in all", () => {
  assert.equal(dataText({ backoff_s: 15.439922039180557, s: 0.123456, count: 1234567, error: null, tags: { a: 1 } }), 'backoff_s=15.44  s=0.123  count=1234567  tags={"a":1}');
});

test("an actor without a name is called by the tail of its id", () => {
  assert.equal(format.actorName({ name: "actors/pool/w1" }), "pool/w1");
  assert.equal(format.actorName({ name: null, id: "00c1a9e2f03b77d1:000000000000002a" }), "#2a");
});

test("a link and its route are each other's inverse, whatever the name", () => {
  const made = link("actors", "a/b ü?#%", { state: "running", empty: "" });
  assert.deepEqual(parse(made), { page: "actors", id: "a/b ü?#%", query: { state: "running" } });
  assert.deepEqual(parse(""), { page: "overview", id: "", query: {} });
});

test("a hash that cannot be decoded is taken as it is", () => {
  assert.equal(parse("#/actors/%E0%A4%A").id, "%E0%A4%A");
});

test("snippets quote what a shell or Python would read otherwise", () => {
  assert.equal(shellQuoted("it's"), "'it'\\''s'");
  assert.equal(python({ a: [true, null, "x\""] }), "{\"a\": [True, None, \"x\\\"\"]}");
  assert.equal(commandArguments([], { n: 3, s: "a b" }), " n=3 's=a b'");
});

test("columns give way by rank, the first kind never", () => {
  const column = (key, width, rank) => ({ key, title: key, width, rank, cell: () => "" });
  const columns = [column("name", 100, 0), column("a", 100, 2), column("b", 100, 1)];
  assert.deepEqual(fitting(columns, 250).map((each) => each.key), ["name", "b"]);
  assert.deepEqual(fitting(columns, 10).map((each) => each.key), ["name"]);
});

test("of ten thousand rows only those in sight are drawn", () => {
  const [first, last] = visible(32 * 5000, 640, 10_000);
  assert.ok(first > 4900 && first <= 5000);
  assert.ok(last - first < 60);
});

test("a trail grows by time, keeps names that come later, and joins the node's memory", () => {
  const trail = extend(extend(NO_TRAIL, 10, { a: 1 }), 11, { a: 2, b: 5 });
  assert.deepEqual(trail.series, { a: [1, 2], b: [null, 5] });
  assert.equal(extend(trail, 11, { a: 9 }), trail);
  const history = fromHistory({ step_s: 1, start_at: new Date(8000).toISOString(), series: [{ name: "a", values: [0, 0, 1] }] });
  assert.deepEqual(joined(history, trail).series.a, [0, 0, 1, 2]);
});

test("growth is a second's worth and never negative", () => {
  assert.deepEqual(growth([0, 1, 2, 3], [0, 10, 30, null]), [null, 10, 15, null]);
  assert.deepEqual(growth([0, 1], [10, 5]), [null, null]);
});

test("readings that are far apart give the growth between them", () => {
  assert.deepEqual(growth([0, 1, 2, 10, 20, 21], [0, 10, null, 100, 200, 210]), [null, 10, null, 10, 10, 10]);
});

test("a short gap in a line is bridged, a long one is one", () => {
  assert.deepEqual(bridged([0, 1, 2, 3], [0, null, null, 30]), [0, 10, 20, 30]);
  assert.deepEqual(bridged([0, 1, 2], [null, 5, null]), [null, 5, null]);
  assert.deepEqual(bridged([0, 50, 100], [1, null, 3]), [1, null, 3]);
});

test("a sum that lacked a node's part for a moment makes no spike", () => {
  assert.deepEqual(growth([0, 1, 2, 3], [100, 110, 50, 130]), [null, 10, null, 10]);
});

test("a fall that lasts is a restart, and counting begins again", () => {
  assert.deepEqual(withoutDips([100, 0, 1, 2, 3, 4, 5, 6, 7]).slice(0, 2), [100, 0]);
});

test("a sum that lacked a node for a long time makes no spike when the node is back", () => {
  const lacking = [100, ...Array.from({ length: 20 }, (_, index) => 40 + index / 10), 104];
  assert.deepEqual(withoutDips(lacking).filter((value) => value !== null), [100, 104]);
});

test("a counter that begins again and grows past its old height is a restart", () => {
  assert.deepEqual(withoutDips([100, 0, 30, 60, 90, 120, 150, 180]), [100, 0, 30, 60, 90, 120, 150, 180]);
});

test("a sparkline needs two points", () => {
  assert.equal(points([1]), "");
  assert.equal(points([0, 1]), "0.0,26.0 100.0,2.0");
});

test("the index names routes without their parameters' names", () => {
  assert.ok(routesOf({ routes: [{ method: "GET", path: "/api/v1/queues/{queue}/messages" }] }).has("GET /queues/{}/messages"));
});

test("the palette wants every word and prefers beginnings", () => {
  const entry = (title, note = "") => ({ icon: "", title, note, run() {} });
  assert.deepEqual(matching([entry("Dead letters"), entry("Letters")], "let").map((each) => each.title), ["Letters", "Dead letters"]);
  assert.deepEqual(matching([entry("Topics", "who subscribed"), entry("scribe")], "scribe").map((each) => each.title), ["scribe", "Topics"]);
  assert.deepEqual(matching([entry("Actors", "page")], "act page").length, 1);
});

test("values that stand for a Python type are one line", () => {
  assert.deepEqual(special({ $datetime: "2026-01-01T00:00:00Z" }), ["datetime", "2026-01-01T00:00:00Z"]);
  assert.deepEqual(special({ $array: { dtype: "<f4", shape: [3, 4] } }), ["array", "<f4 [3 × 4]"]);
  assert.equal(special({ plain: 1 }), null);
});

test("a small record is one line, a nested or long one is a tree", () => {
  assert.equal(oneLine({ id: "a1", n: 3 }), "{id: \"a1\", n: 3}");
  assert.equal(oneLine([1, 2]), "[1, 2]");
  assert.equal(oneLine({ a: [] }), "");
  assert.equal(oneLine({ a: "x".repeat(80) }), "");
});

test("records are one value, a list, or one a line", () => {
  assert.deepEqual(recordsOf("{\"id\": 1}").records, [{ id: 1 }]);
  assert.deepEqual(recordsOf("[1, 2]").records, [1, 2]);
  assert.deepEqual(recordsOf("{\"a\":1}\n{\"a\":2}").records.length, 2);
  assert.ok(recordsOf("{").error);
});

test("metric families are read from the text format", () => {
  const found = families("# HELP a_total Things.\n# TYPE a_total counter\na_total{k=\"v\"} 3\n# HELP h Time.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 4\nh_count 2\n");
  assert.deepEqual(found.map((each) => [each.name, each.type, each.series.length]), [["a_total", "counter", 1], ["h", "histogram", 3]]);
});

test("a download cannot make a spreadsheet run a name", () => {
  assert.equal(csv([{ name: "=1+1", n: -2 }]), "name,n\n'=1+1,-2");
  assert.equal(csv([{ text: "a;=1+1" }, { text: "a\r=1+1" }, { text: "a\t=1+1" }]), "text\n\"a;=1+1\"\n\"a\r=1+1\"\n\"a\t=1+1\"");
  assert.equal(csv([{ "=1+1": 1 }]), "'=1+1\n1");
});

test("a spawn asks only for what was filled in", () => {
  const life = { name: " w ", placement: "", restart_policy: "always", max_restarts: "5", mailbox: "", tags: "team=a, x", public: true };
  assert.deepEqual(spawnBody("app.W", [], { size: 1 }, life), { class: "app.W", kwargs: { size: 1 }, name: "w", public: true, restart_policy: "always", max_restarts: 5, tags: { team: "a" } });
});
