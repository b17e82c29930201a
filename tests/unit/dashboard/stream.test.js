/** Frames out of bytes, and the lists that stand in for a stream. */
import assert from "node:assert/strict";
import test from "node:test";

import { parse } from "../../../dashboard/lib/sse.js";
import { restOf } from "../../../dashboard/lib/stream.js";

test("whole frames are read and the rest is kept", () => {
  const [frames, rest] = parse("retry: 2000\n\nid: e.1\nevent: hello\ndata: {\"sid\":\"p\"}\n\nevent: del");
  assert.deepEqual(frames, [{ id: "e.1", event: "hello", data: { sid: "p" } }]);
  assert.equal(rest, "event: del");
});

test("comments are no frames, and carriage returns do not matter", () => {
  const [frames] = parse(": still here\r\n\r\nevent: item\r\ndata: {\"n\":0}\r\n\r\n");
  assert.deepEqual(frames.map((frame) => frame.event), ["item"]);
});

test("data over several lines is one value", () => {
  assert.deepEqual(parse("data: [1,\ndata: 2]\n\n")[0][0].data, [1, 2]);
});

test("a frame without a name is a message", () => {
  assert.equal(parse("data: 1\n\n")[0][0].event, "message");
});

test("a subscription has a list or an object of REST that says the same", () => {
  assert.deepEqual(restOf({ topic: "actors", filter: { class: "C" }, sort: "-mailbox", offset: 50, limit: 100 }), ["actors", { class: "C", sort: "-mailbox", offset: 50, limit: 100 }]);
  assert.deepEqual(restOf({ topic: "queue", id: "orders" }), ["queues/orders", {}]);
  assert.deepEqual(restOf({ topic: "dead_letters" }), ["dead-letters", {}]);
});
