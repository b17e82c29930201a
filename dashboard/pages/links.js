/** Connections between nodes: rates, waiting frames and why one ended. */
import { bytes, count, duration, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Ago, Chip, Empty, NodeLink, Num, Partial, ProblemBox, Segments, State } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { setQuery } from "../lib/router.js";
import { NotThere, isChosen, nodeFilter } from "../lib/shell.js";
import { sortRows } from "../lib/store.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {{query: Record<string, string>}} props */
export default function Links({ query }) {
  const closed = query.state === "closed";
  return html`<div class="page-head"><div><h1>Links</h1><p>One connection a pair of nodes, opened by either</p></div><${Segments} label="State" value=${closed ? "closed" : ""} options=${[["", "open"], ["closed", "closed lately"]]} onChange=${(/** @type {string} */ state) => setQuery({ state })} /></div><${List} key=${closed} closed=${closed} query=${query} />`;
}

/** @param {{closed: boolean, query: Record<string, string>}} props */
function List({ closed, query }) {
  const subscription = useLive({ topic: "links", limit: 200, filter: closed ? { state: "closed" } : {} });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const sort = query.sort ?? "peer_name";
  const rows = sortRows(view.rows.filter((row) => (row.state === "closed") === closed && isChosen(row.node)), sort);
  const end = /** @type {"end"} */ ("end");
  const speed = (/** @type {any} */ row, /** @type {string} */ field) => {
    const value = rates(row, field);
    return value === null ? "–" : `${bytes(value)}/s`;
  };
  const columns = [
    { key: "node", title: "From", width: 100, rank: 0, cell: (/** @type {any} */ row) => html`<${NodeLink} id=${row.node} />` },
    { key: "peer_name", title: "To", width: 130, grow: 1, rank: 0, cell: (/** @type {any} */ row) => (row.peer ? html`<${NodeLink} id=${row.peer} />` : row.addr) },
    { key: "state", title: "State", width: 108, rank: 0, cell: (/** @type {any} */ row) => html`<span title=${row.last_error}><${State} value=${row.state} /></span>` },
    { key: "direction", title: "Opened by", width: 90, rank: 5, cell: (/** @type {any} */ row) => (row.direction === "out" ? "this end" : "the peer") },
    { key: "addr", title: "Address", width: 140, rank: 7, cell: (/** @type {any} */ row) => html`<span class="mono small">${row.addr}</span>` },
    ...(closed ? [
      { key: "close_reason", title: "Why", width: 200, rank: 1, cell: (/** @type {any} */ row) => row.close_reason ?? row.last_error ?? "–" },
      { key: "closed_at", title: "Closed", width: 110, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.closed_at} />` },
    ] : [
      { key: "rtt_s", title: "Round trip", width: 92, align: end, rank: 2, cell: (/** @type {any} */ row) => duration(row.rtt_s) },
      { key: "in", title: "In", width: 94, align: end, rank: 1, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => speed(row, "bytes_in_total") },
      { key: "out", title: "Out", width: 94, align: end, rank: 1, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => speed(row, "bytes_out_total") },
      { key: "frames", title: "Frames", width: 88, align: end, rank: 4, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => rate(sum(rates(row, "frames_in_total"), rates(row, "frames_out_total"))) },
      { key: "pending_bytes", title: "Waiting", width: 90, align: end, rank: 3, cell: (/** @type {any} */ row) => bytes(row.pending_bytes) },
      { key: "pending_asks", title: "Asks", width: 70, align: end, rank: 5, cell: (/** @type {any} */ row) => html`<${Num} value=${row.pending_asks} as=${count} />` },
      { key: "streams", title: "Streams", width: 76, align: end, rank: 6, cell: (/** @type {any} */ row) => html`<${Num} value=${row.streams} as=${count} />` },
      { key: "backpressure_s_total", title: "Held back", width: 90, align: end, rank: 6, hint: "time that senders waited", cell: (/** @type {any} */ row) => duration(row.backpressure_s_total) },
      { key: "safe", title: "Security", width: 110, rank: 7, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<${Chip} tone=${row.tls ? "good" : ""}>${row.tls ? "TLS" : "plain"}<//>${row.pickle && html` <${Chip} tone="warn">pickle<//>`}` },
    ]),
    { key: "opened_at", title: "Opened", width: 108, align: end, rank: 6, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.opened_at} />` },
  ];
  return html`<${Partial} view=${view} /><${ProblemBox} problem=${view.problem} /><${Table} label="Links" columns=${columns} rows=${rows} loaded=${view.loaded} sort=${sort} onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} empty=${view.problem ? null : nodeFilter.value ? html`<${NotThere} />` : closed ? html`<div class="empty"><h3>No link has closed</h3></div>` : html`<${Empty} name="links" />`} />`;
}

/** @param {number | null} one @param {number | null} two */
const sum = (one, two) => (one === null ? two : two === null ? one : one + two);
