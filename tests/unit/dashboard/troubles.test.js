/** What needs attention is told from facts, worst first, and nothing is told where all is well. */
import assert from "node:assert/strict";
import test from "node:test";

import { troubles } from "../../../dashboard/lib/troubles.js";
import { statusLine } from "../../../dashboard/pages/overview.js";

const WELL = { cluster: { size: 2, by_status: { alive: 2 } }, node: { name: "n1", uptime_s: 5 }, totals: { dead_letters_total: 0 }, busiest: [], checks: [], methods: { by_errors: [], by_latency: [] } };

test("nothing is wrong where all is well", () => {
  assert.deepEqual(troubles({ overview: WELL, nodes: [{ id: "a", loop_lag_s: { p99: 0.01 } }], queues: [{ queue: "q", state: "ok" }], topics: [{ topic: "t", slow_subscribers: 0 }], members: [{ id: "a", status: "alive" }], links: [{ state: "open" }] }), []);
});

test("each kind of trouble is told once, the worst first, with a way to its cause", () => {
  const found = troubles({
    overview: { ...WELL, totals: { dead_letters_total: 3 }, checks: [{ name: "mailbox_wait", status: "critical", since_at: "2026-01-01T00:00:00Z" }],
      methods: { by_errors: [{ class: "app.A", method: "m", errors_total: 2, messages_total: 9 }], by_latency: [{ class: "app.A", method: "slow", handle_s: { p50: 1, p99: 4 } }] } },
    checks: [{ name: "mailbox_wait", runbook: { meaning: "an actor does not keep up" } }],
    members: [{ id: "b", name: "n2", status: "dead" }],
    waiting: [{ id: "x:1", name: "actors/hot", mailbox: 1, mailbox_oldest_s: 12 }, { id: "x:2", mailbox: 1, mailbox_oldest_s: 0.1 }],
    queues: [{ queue: "orders", state: "degraded" }], topics: [{ topic: "news", subscribers: 4, slow_subscribers: 1, dropped_total: 7 }],
  });
  assert.deepEqual(found.map(({ kind, tone, what }) => `${tone} ${kind} ${what}`), [
    "bad failing mailbox wait", "bad failing n2", "warn failing A.m", "warn failing orders", "warn stuck hot", "warn slow A.slow", "warn slow news", "warn lost news", "warn lost Dead letters",
  ]);
  assert.equal(found[0].runbook.meaning, "an actor does not keep up");
  assert.ok(found.every(({ to }) => to.startsWith("#/")));
});

test("the sum of the nodes includes those that are dead", () => {
  assert.match(statusLine({ ...WELL, cluster: { size: 1, by_status: { alive: 1, dead: 1 } } }), /^2 nodes: 1 alive, 1 dead/);
  assert.match(statusLine({ ...WELL, cluster: { size: 1, by_status: { alive: 1 } } }), /^1 node: 1 alive/);
});
