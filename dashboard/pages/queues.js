/** Every queue: how much lies in it, how fast it moves, who lags behind. */
import { Act } from "../lib/actions.js";
import { age, bytes, count, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Chip, Empty, NodeLink, Num, Partial, ProblemBox, SearchBox, State } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { go, link, setQuery } from "../lib/router.js";
import { NotThere, isChosen, nodeFilter } from "../lib/shell.js";
import { sortRows } from "../lib/store.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { CreateDrawer } from "./create-queue.js";

/** @param {{query: Record<string, string>}} props */
export default function Queues({ query }) {
  const subscription = useLive({ topic: "queues", limit: 200 });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const sort = query.sort ?? "queue";
  const rows = sortRows(view.rows.filter((row) => (!query.search || row.queue.includes(query.search)) && (!nodeFilter.value || row.nodes?.some(isChosen))), sort);
  const end = /** @type {"end"} */ ("end");
  const columns = [
    { key: "queue", title: "Queue", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("queues", row.queue)}>${row.queue}</a>` },
    { key: "state", title: "State", width: 104, rank: 1, cell: (/** @type {any} */ row) => html`<${State} value=${row.state} />` },
    { key: "backend", title: "Backend", width: 96, rank: 6, cell: (/** @type {any} */ row) => html`<${Chip}>${row.backend ?? "–"}<//>` },
    { key: "num_buckets", title: "Buckets", width: 80, align: end, rank: 5, cell: (/** @type {any} */ row) => row.num_buckets },
    { key: "records", title: "Records", width: 90, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.records} as=${count} metric="pulsing_queue_records" />` },
    { key: "bytes", title: "Size", width: 90, align: end, rank: 8, cell: (/** @type {any} */ row) => bytes(row.bytes) },
    { key: "put", title: "Put", width: 84, align: end, rank: 2, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<${Num} value=${rates(row, "put_total")} as=${rate} metric="pulsing_queue_put_records_total" />` },
    { key: "read", title: "Read", width: 84, align: end, rank: 2, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<${Num} value=${rates(row, "read_total")} as=${rate} metric="pulsing_queue_read_records_total" />` },
    { key: "oldest_s", title: "Oldest", width: 96, align: end, rank: 7, cell: (/** @type {any} */ row) => age(row.oldest_s) },
    { key: "readers", title: "Readers", width: 80, align: end, rank: 4, cell: (/** @type {any} */ row) => html`<${Num} value=${row.readers} as=${count} />` },
    { key: "max_lag", title: "Lag", width: 84, align: end, rank: 2, hint: "records that the slowest reader has before it", cell: (/** @type {any} */ row) => html`<${Num} value=${row.max_lag} as=${count} metric="pulsing_queue_reader_lag_records" />` },
    { key: "nodes", title: "Owners", width: 130, rank: 6, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => (row.nodes ?? []).map((/** @type {string} */ id, /** @type {number} */ at) => html`${at ? ", " : ""}<${NodeLink} id=${id} />`) },
  ];
  return html`<div class="page-head"><div><h1>Queues</h1><p>${view.loaded ? `${count(view.total)} ${view.total === 1 ? "queue" : "queues"}` : " "}</p></div><div class="toolbar"><${Act} action="queue.create" icon="plus" class="button primary" onClick=${() => setQuery({ create: "1" })}>Create<//></div></div>
    ${view.total > 5 && html`<div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Queue" onInput=${(/** @type {string} */ search) => setQuery({ search })} /></div>`}
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <${Table} label="Queues" columns=${columns} rows=${rows} loaded=${view.loaded} sort=${sort} onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onOpen=${(/** @type {any} */ row) => go(link("queues", row.queue))} empty=${!view.problem && (nodeFilter.value ? html`<${NotThere} />` : html`<${Empty} name="queues" />`)} />
    ${query.create && html`<${CreateDrawer} onClose=${() => setQuery({ create: "" })} />`}`;
}
