/** What forms ask of the server: trims, replays, tags, settings of queues, tried routes; and code to copy. */
import assert from "node:assert/strict";
import test from "node:test";

import { pythonRequest } from "../../../dashboard/lib/snippets.js";
import { branchesOf } from "../../../dashboard/pages/actor-groups.js";
import { tagsOf } from "../../../dashboard/pages/actor-selection.js";
import { settingsOf } from "../../../dashboard/pages/create-queue.js";
import { replayCommand, replayOf } from "../../../dashboard/pages/replay.js";
import { consequenceOf, trimOf } from "../../../dashboard/pages/trim.js";
import { filled, skeleton } from "../../../dashboard/pages/try-route.js";

test("a trim is by number, by offset of a bucket, or by time", () => {
  assert.deepEqual(trimOf("keep_last", { keep_last: "10" }).body, { keep_last: 10 });
  assert.deepEqual(trimOf("before_offset", { before_offset: "17", bucket_id: "2" }).body, { before_offset: 17, bucket_id: 2 });
  assert.deepEqual(trimOf("before_at", { before_at: "2026-01-02T03:04:05Z" }).body, { before_at: "2026-01-02T03:04:05.000Z" });
  assert.ok(["", "-1", "1.5", "many"].every((text) => trimOf("keep_last", { keep_last: text }).error));
  assert.ok(trimOf("before_at", { before_at: "" }).error);
});

test("what a trial run says names the readers that would lose records", () => {
  assert.match(consequenceOf({ removed: 311, readers_behind: 2 }), /311 records go.*2 readers lose/);
  assert.match(consequenceOf({ removed: 0, readers_behind: 0 }), /No reader loses/);
});

test("tags are set with a value and taken away without one", () => {
  assert.deepEqual(tagsOf("team=a, stage=b=c old gone="), { team: "a", stage: "b=c", old: null, gone: null });
});

test("only what was filled in is a setting of a queue", () => {
  const texts = { num_buckets: "4", bucket_column: "id", backend: "memory", batch_size: "", max_records: "100", max_bytes: "", max_age: "", overflow: "reject" };
  assert.deepEqual(settingsOf(texts), { num_buckets: 4, bucket_column: "id", backend: "memory", backend_options: { max_records: 100, overflow: "reject" } });
  assert.equal("backend_options" in settingsOf({ ...texts, max_records: "", overflow: "" }), false);
});

test("selected letters are named, else the filter is sent", () => {
  assert.deepEqual(replayOf(["a"], { reason: "stopped" }, { to: "", rate: "50" }), { ids: ["a"], rate: 50 });
  assert.deepEqual(replayOf([], { reason: "stopped" }, { to: " other ", rate: "" }), { filter: { reason: "stopped" }, limit: 1000, to: "other" });
});

test("a replay as a command names letters, or what they died of", () => {
  assert.equal(replayCommand(replayOf(["n-1", "n-2"], {}, { to: "other", rate: "5" })), "pulsing dead-letters replay n-1 n-2 --rate 5 --to other");
  assert.equal(replayCommand(replayOf([], { reason: "stopped" }, { to: "", rate: "50" })), "pulsing dead-letters replay --why stopped --limit 1000 --rate 50");
});

test("a tried route has its parameters in its path and a body with what must be there", () => {
  assert.equal(filled("/api/v1/queues/{queue}/messages", { queue: "a/b c" }), "queues/a~b%20c/messages");
  assert.equal(filled("/api/v1/queues/{queue}", {}), "queues/{queue}");
  const root = { $defs: { Put: { type: "object", required: ["records", "n"], properties: { records: { type: "array" }, n: { type: "integer" }, more: { type: "string" } } } } };
  assert.deepEqual(skeleton({ $ref: "#/components/schemas/Put" }, root), { records: [], n: 0 });
});

test("a tree has nodes, and below them their classes, the fullest first", () => {
  const items = [{ key: { node: "b", class: "x.A" }, actors: 1 }, { key: { node: "a", class: "x.A" }, actors: 1 }, { key: { node: "a", class: "x.B" }, actors: 5 }];
  assert.deepEqual(branchesOf(items).map(({ node, actors, classes }) => [node, actors, classes.map((each) => each.class)]), [["a", 6, ["x.B", "x.A"]], ["b", 1, ["x.A"]]]);
});

test("a request in Python names the token's variable and never a token", () => {
  const code = pythonRequest({ method: "DELETE", path: "actors/x", body: { a: null } });
  assert.match(code, /os\.environ\["PULSING_ADMIN_TOKEN"\]/);
  assert.match(code, /json=\{"a": None\}/);
});
