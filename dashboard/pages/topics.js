/** Every topic: who listens, how much is said, what did not arrive. */
import { Act } from "../lib/actions.js";
import { Drawer } from "../lib/dialog.js";
import { count, rate } from "../lib/format.js";
import { Field } from "../lib/form.js";
import { html, useState } from "../lib/html.js";
import { Ago, Empty, NodeLink, Num, Partial, ProblemBox, SearchBox, State } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { go, link, setQuery } from "../lib/router.js";
import { NotThere, isChosen, nodeFilter } from "../lib/shell.js";
import { sortRows } from "../lib/store.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { PublishForm } from "./publish.js";

/** @param {{query: Record<string, string>}} props */
export default function Topics({ query }) {
  const subscription = useLive({ topic: "topics", limit: 200 });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const sort = query.sort ?? "topic";
  const rows = sortRows(view.rows.filter((row) => (!query.search || row.topic.includes(query.search)) && isChosen(row.node)), sort);
  const end = /** @type {"end"} */ ("end");
  const total = (/** @type {string} */ key, /** @type {string} */ title, /** @type {number} */ rank, /** @type {string} */ metric) => ({ key, title, width: 92, align: end, rank, cell: (/** @type {any} */ row) => html`<span class=${key === "failed_total" && row[key] ? "bad-text" : ""}><${Num} value=${row[key]} as=${count} metric=${metric} /></span>` });
  const columns = [
    { key: "topic", title: "Topic", width: 150, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("topics", row.topic)}>${row.topic}</a>` },
    { key: "state", title: "State", width: 104, rank: 3, cell: (/** @type {any} */ row) => html`<${State} value=${row.state === "ok" && row.slow_subscribers ? "slow" : row.state} />` },
    { key: "node", title: "Broker on", width: 100, rank: 6, cell: (/** @type {any} */ row) => html`<${NodeLink} id=${row.node} />` },
    { key: "subscribers", title: "Subscribers", width: 100, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.subscribers} as=${count} metric="pulsing_topic_subscribers" />` },
    { key: "slow_subscribers", title: "Slow", width: 70, align: end, rank: 4, cell: (/** @type {any} */ row) => html`<${Num} value=${row.slow_subscribers} as=${count} metric="pulsing_topic_slow_subscribers" />` },
    { key: "rate", title: "Published", width: 92, align: end, rank: 1, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<${Num} value=${rates(row, "published_total")} as=${rate} />` },
    { key: "delivery", title: "Delivered", width: 92, align: end, rank: 2, sort: /** @type {false} */ (false), cell: (/** @type {any} */ row) => html`<${Num} value=${rates(row, "delivered_total")} as=${rate} />` },
    total("published_total", "In all", 5, "pulsing_topic_published_messages_total"), total("failed_total", "Failed", 3, "pulsing_topic_deliveries_total"), total("dropped_total", "Dropped", 6, "pulsing_topic_deliveries_total"),
    { key: "last_published_at", title: "Last", width: 110, align: end, rank: 5, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.last_published_at} />` },
  ];
  return html`<div class="page-head"><div><h1>Topics</h1><p>${view.loaded ? `${count(view.total)} ${view.total === 1 ? "topic" : "topics"}` : " "}</p></div><div class="toolbar"><${Act} action="topic.publish" icon="topics" class="button primary" onClick=${() => setQuery({ publish: "1" })}>Publish<//></div></div>
    ${view.total > 5 && html`<div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Topic" onInput=${(/** @type {string} */ search) => setQuery({ search })} /></div>`}
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <${Table} label="Topics" columns=${columns} rows=${rows} loaded=${view.loaded} sort=${sort} onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onOpen=${(/** @type {any} */ row) => go(link("topics", row.topic))} empty=${!view.problem && (nodeFilter.value ? html`<${NotThere} />` : html`<${Empty} name="topics" />`)} />
    ${query.publish && html`<${PublishDrawer} topics=${view.rows.map((row) => row.topic)} onClose=${() => setQuery({ publish: "" })} />`}`;
}

/** @param {{topics: string[], onClose: () => void}} props */
function PublishDrawer({ topics, onClose }) {
  const [name, setName] = useState(topics[0] ?? "");
  return html`<${Drawer} title="Publish" onClose=${onClose}><div class="form"><${Field} name="topic" label="Topic" required schema=${{ type: "string", description: topics.includes(name) ? "" : "nobody has opened this topic: it will be made" }} text=${name} onInput=${setName} />
    <${PublishForm} topic=${name.trim()} create=${!topics.includes(name.trim())} /></div><//>`;
}
