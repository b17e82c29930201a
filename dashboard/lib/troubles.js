/** What needs somebody, told from what the cluster says about itself: what fails, is stuck, is slow, or was lost. */
import { actorName, className, count, duration } from "./format.js";
import { link } from "./router.js";

/**
 * @typedef {"failing" | "stuck" | "slow" | "lost"} Kind
 * @typedef {{kind: Kind, tone: "bad" | "warn", what: string, to: string, why: string, since?: string | null, runbook?: any}} Trouble
 * @typedef {{overview: any, checks?: any[], nodes?: any[], waiting?: any[], restarting?: any[], queues?: any[], topics?: any[], members?: any[], links?: any[]}} Facts
 */

/** From when on a wait is worth telling of. */
const LONG_WAIT_S = 5;
const LONG_TURN_S = 1;
const LATE_LOOP_S = 0.1;
const ORDER = ["failing", "stuck", "slow", "lost"];

/** Everything that is wrong, worst first. @param {Facts} facts @returns {Trouble[]} */
export function troubles(facts) {
  const found = [...checks(facts), ...members(facts), ...actors(facts), ...methods(facts), ...data(facts), ...nodes(facts)];
  const seen = new Set();
  const single = found.filter(({ what, why }) => !seen.has(what + why) && seen.add(what + why));
  return single.sort((one, two) => Number(one.tone === "warn") - Number(two.tone === "warn") || ORDER.indexOf(one.kind) - ORDER.indexOf(two.kind));
}

/** @param {Facts} facts @returns {Trouble[]} */
const checks = ({ overview, checks: all = [] }) => (overview?.checks ?? []).map((/** @type {any} */ check) => ({ ...all.find((one) => one.name === check.name), ...check })).map((/** @type {any} */ check) => ({
  kind: "failing", tone: check.status === "critical" ? "bad" : "warn", what: check.name.replaceAll("_", " "), to: link("health"), why: check.detail ?? "a check is failing", since: check.since_at, runbook: check.runbook,
}));

/** @param {Facts} facts @returns {Trouble[]} */
function members({ overview, members: rows = [] }) {
  if (rows.length) {
    return rows.filter((row) => row.status === "dead" || row.status === "suspect").map((row) => ({
      kind: "failing", tone: row.status === "dead" ? "bad" : "warn", what: row.name ?? row.id, to: link("nodes", row.id), why: `this node is ${row.status}`, since: row.since_at,
    }));
  }
  const by = overview?.cluster.by_status ?? {};
  const down = /** @type {Array<["bad" | "warn", string]>} */ ([["bad", "dead"], ["warn", "suspect"]]).filter(([, status]) => by[status]);
  return down.map(([tone, status]) => ({ kind: "failing", tone, what: `${by[status]} ${by[status] === 1 ? "node" : "nodes"}`, to: link("cluster"), why: `${status}, as the others see it` }));
}

/** @param {Facts} facts @returns {Trouble[]} */
function actors({ overview, waiting = overview?.busiest ?? [], restarting = [] }) {
  const stuck = waiting.filter((row) => (row.mailbox_oldest_s ?? 0) >= LONG_WAIT_S).map((row) => ({
    kind: /** @type {Kind} */ ("stuck"), tone: /** @type {"warn"} */ ("warn"), what: actorName(row), to: link("actors", row.id), why: `${count(row.mailbox)} ${row.mailbox === 1 ? "message waits" : "messages wait"}, the oldest for ${duration(row.mailbox_oldest_s)}`,
  }));
  const again = restarting.map((row) => ({ kind: /** @type {Kind} */ ("failing"), tone: /** @type {"warn"} */ ("warn"), what: actorName(row), to: link("actors", row.id), why: `is restarting; ${count(row.restarts)} ${row.restarts === 1 ? "restart" : "restarts"} so far` }));
  return [...again, ...stuck];
}

/** @param {Facts} facts @returns {Trouble[]} */
function methods({ overview }) {
  const { by_errors: wrong = [], by_latency: slow = [] } = overview?.methods ?? {};
  const name = (/** @type {any} */ row) => `${className(row.class)}.${row.method}`;
  return [
    ...wrong.filter((/** @type {any} */ row) => row.errors_total).map((/** @type {any} */ row) => ({ kind: "failing", tone: "warn", what: name(row), to: link("classes", row.class), why: `${count(row.errors_total)} of ${count(row.messages_total)} calls raised an error` })),
    ...slow.filter((/** @type {any} */ row) => (row.handle_s?.p99 ?? 0) >= LONG_TURN_S).map((/** @type {any} */ row) => ({ kind: "slow", tone: "warn", what: name(row), to: link("classes", row.class), why: `takes ${duration(row.handle_s.p99)} at the 99th percentile, ${duration(row.handle_s.p50)} in the middle` })),
  ];
}

/** @param {Facts} facts @returns {Trouble[]} */
function data({ overview, queues = [], topics = [] }) {
  const lost = overview?.totals.dead_letters_total;
  return [
    ...queues.filter((row) => row.state !== "ok").map((row) => /** @type {Trouble} */ ({ kind: "failing", tone: row.state === "unavailable" ? "bad" : "warn", what: row.queue, to: link("queues", row.queue), why: `this queue is ${row.state}` })),
    ...topics.filter((row) => row.slow_subscribers).map((row) => /** @type {Trouble} */ ({ kind: "slow", tone: "warn", what: row.topic, to: link("topics", row.topic), why: `${count(row.slow_subscribers)} of ${count(row.subscribers)} subscribers do not keep up` })),
    ...topics.filter((row) => row.dropped_total).map((row) => /** @type {Trouble} */ ({ kind: "lost", tone: "warn", what: row.topic, to: link("topics", row.topic), why: `${count(row.dropped_total)} messages were dropped for slow subscribers` })),
    ...(lost ? [/** @type {Trouble} */ ({ kind: "lost", tone: "warn", what: "Dead letters", to: link("dead-letters"), why: `${count(lost)} ${lost === 1 ? "message" : "messages"} reached nobody` })] : []),
  ];
}

/** @param {Facts} facts @returns {Trouble[]} */
const nodes = ({ nodes: rows = [], links = [] }) => [
  ...rows.filter((row) => (row.loop_lag_s?.p99 ?? 0) >= LATE_LOOP_S).map((row) => /** @type {Trouble} */ ({ kind: "slow", tone: "warn", what: row.name ?? row.id, to: link("nodes", row.id), why: `its loop is ${duration(row.loop_lag_s.p99)} late at the 99th percentile` })),
  ...links.filter((row) => row.state === "redialling").map((row) => /** @type {Trouble} */ ({ kind: "failing", tone: "warn", what: row.peer_name ?? row.peer, to: link("links"), why: row.last_error ?? "the link is down and is dialled again" })),
];
