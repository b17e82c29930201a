/** Every actor of the cluster as a window over the server's list: filter, sort, select, act. */
import { Act, me } from "../lib/actions.js";
import { endsIn, ghostsOf, withGhosts } from "../lib/ended.js";
import { age, className, count, duration, exact, rate, since } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { ActorLink, Ago, ClassLink, Empty, Menu, NodeLink, Num, Partial, ProblemBox, SearchBox, Segments, State, Tags, nodeNames } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { go, link, setQuery } from "../lib/router.js";
import { SaveMenu } from "../lib/save.js";
import { nodeFilter } from "../lib/shell.js";
import { now, useLive, useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { ActorTree, Groups } from "./actor-groups.js";
import { Selection } from "./actor-selection.js";
import { SpawnDrawer } from "./spawn.js";

const STATES = ["running", "starting", "restarting", "stopping", "stopped", "failed"];
const STEP = 50;
const KEPT_COLUMNS = "pulsing.actors.columns";

/** @param {{query: Record<string, string>}} props */
export default function Actors({ query }) {
  const [window, setWindow] = useState({ offset: 0, limit: 100 });
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [hidden, setHidden] = useState(() => new Set(JSON.parse(localStorage.getItem(KEPT_COLUMNS) ?? '["kind","age","handle_max"]')));
  const filter = { class: query.class, state: query.state, tag: query.tag, node: nodeFilter.value || query.node, kind: query.kind };
  const sort = query.sort ?? "name";
  const own = Boolean(me.value?.ui?.show_system), system = own ? "true" : undefined;
  const subscription = useLive({ topic: "actors", system: own || undefined, filter: given(filter), search: query.search || undefined, sort, ...window });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const rows = useEnded(view.rows, JSON.stringify([filter, query.search, sort, window]));
  const states = useRest("actors/summary", { by: "state", ...given({ node: filter.node, class: filter.class, system }) }, 5_000);
  const narrowed = Boolean(query.search || Object.keys(given(filter)).length);
  useEffect(() => {
    setWindow({ offset: 0, limit: 100 });
    setSelected(new Set());
  }, [JSON.stringify(filter), query.search, sort]);
  const range = (/** @type {number} */ first, /** @type {number} */ many) => {
    const offset = Math.max(0, Math.floor(first / STEP) * STEP);
    const limit = Math.min(200, Math.ceil((first + many - offset) / STEP) * STEP);
    if (offset !== window.offset || limit > window.limit) setWindow({ offset, limit: Math.max(100, limit) });
  };
  const columns = actorColumns(rates).map((column) => ({ ...column, hidden: hidden.has(column.key) || (column.key === "node" && Boolean(nodeFilter.value)) }));
  const group = query.group ?? "";
  return html`<div class="page-head"><div><h1>Actors</h1><p>${view.loaded ? `${exact(view.filtered)}${view.filtered === view.total ? "" : ` of ${exact(view.total)}`}` : " "}</p></div>
      <div class="toolbar"><${SaveMenu} path="actors" name="actors" query=${{ ...filter, search: query.search, sort, system }} /><${ColumnChooser} columns=${columns} hidden=${hidden} onChange=${(/** @type {Set<string>} */ next) => (localStorage.setItem(KEPT_COLUMNS, JSON.stringify([...next])), setHidden(next))} />
        <${Act} action="actor.spawn" icon="plus" class="button primary" onClick=${() => setQuery({ spawn: "1" })}>Spawn<//></div></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Name, id or class" onInput=${(/** @type {string} */ search) => setQuery({ search })} />
      <${StateChips} summary=${states.data} value=${query.state ?? ""} />
      ${["class", "node", "tag", "kind"].filter((key) => query[key]).map((key) => html`<button key=${key} type="button" class="chip accent" title="Remove this filter" onClick=${() => setQuery({ [key]: "" })}>${key}: ${key === "class" ? className(query[key]) : query[key]}<${Icon} name="close" size=${11} /></button>`)}
      <span class="grow"></span><${Segments} label="Group" value=${group} onChange=${(/** @type {string} */ value) => setQuery({ group: value })} options=${[["", "list"], ["class", "by class"], ["node", "by node"], ["tree", "tree"]]} /></div>
    ${selected.size > 0 && html`<${Selection} keys=${selected} rows=${view.rows} onDone=${() => setSelected(new Set())} />`}
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    ${group === "tree" ? html`<${ActorTree} filter=${given({ ...filter, system })} />` : group ? html`<${Groups} key=${group} by=${group} filter=${given({ ...filter, system })} />` : html`<${Table} fill label="Actors" columns=${columns} rows=${rows} offset=${view.offset} total=${view.loaded ? view.filtered + rows.length - view.rows.length : 0} loaded=${view.loaded} sort=${sort}
      onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onRange=${range} onOpen=${(/** @type {any} */ row) => go(link("actors", row.id))} selected=${selected} onSelect=${setSelected}
      mark=${(/** @type {any} */ row) => (row.state === "stopped" || row.state === "failed" ? "gone" : "")}
      empty=${view.problem ? null : narrowed ? html`<div class="empty"><h3>No actor fits</h3><p>Nothing has this name, class, state and node.</p><button type="button" class="button" onClick=${() => ((nodeFilter.value = ""), go(link("actors")))}>Clear the filters</button></div>` : html`<${Empty} name="actors" />`} />`}
    ${query.spawn && html`<${SpawnDrawer} wanted=${query.spawn === "1" ? "" : query.spawn} onClose=${() => setQuery({ spawn: "" })} />`}`;
}

/** The rows, and in their places those that ended within the last half a minute. @param {any[]} rows @param {string} window */
function useEnded(rows, window) {
  const events = useLive({ topic: "events", filter: { type: "actor.*" }, limit: 100 }).view.value;
  const kept = useRef({ window, before: /** @type {any[]} */ ([]), ghosts: /** @type {import("../lib/ended.js").Ghost[]} */ ([]) });
  const same = kept.current.window === window;
  const ghosts = same ? ghostsOf(kept.current.ghosts, kept.current.before, rows, endsIn(events.rows), now.value) : [];
  const shown = withGhosts(rows, ghosts);
  kept.current = { window, before: shown, ghosts };
  return shown;
}

/** @param {Record<string, any>} filter */
const given = (filter) => Object.fromEntries(Object.entries(filter).filter(([, value]) => value));

/** @param {(row: any, field: string) => number | null} rates @returns {import("../lib/table.js").Column[]} */
function actorColumns(rates) {
  return [
    { key: "name", title: "Name", width: 150, grow: 1, rank: 0, from: (row) => [row.name, row.id], cell: (row) => html`<${ActorLink} row=${row} />` },
    { key: "class", title: "Class", width: 130, rank: 3, from: (row) => [row.class], cell: (row) => html`<${ClassLink} path=${row.class} />` },
    { key: "kind", title: "Kind", width: 84, rank: 12, from: (row) => [row.kind], cell: (row) => row.kind },
    { key: "node", title: "Node", width: 96, rank: 6, from: (row) => [row.node, nodeNames.get(row.node)], cell: (row) => html`<${NodeLink} id=${row.node} />` },
    { key: "state", title: "State", width: 104, rank: 1, from: (row) => [row.state, row.busy], cell: (row) => html`<${State} value=${row.state === "running" && row.busy ? "busy" : row.state} />` },
    { key: "mailbox", title: "Mailbox", width: 84, align: "end", rank: 2, hint: "messages waiting", from: (row) => [row.mailbox], cell: (row) => html`<${Num} value=${row.mailbox} as=${count} metric="pulsing_actor_mailbox_messages" />` },
    { key: "mailbox_oldest_s", title: "Oldest", width: 82, align: "end", rank: 8, hint: "longest wait in the mailbox", from: (row) => [row.mailbox && row.mailbox_oldest_s], cell: (row) => (row.mailbox ? duration(row.mailbox_oldest_s) : html`<span class="faint">–</span>`) },
    { key: "messages_total", title: "Messages", width: 90, align: "end", rank: 5, from: (row) => [row.messages_total], cell: (row) => html`<${Num} value=${row.messages_total} as=${count} metric="pulsing_actor_messages_total" />` },
    { key: "rate", title: "Rate", width: 78, align: "end", rank: 4, sort: false, hint: "messages a second, over the last seconds", from: (row) => [rate(rates(row, "messages_total"))], cell: (row) => html`<${Num} value=${rates(row, "messages_total")} as=${rate} />` },
    { key: "errors_total", title: "Errors", width: 74, align: "end", rank: 4, from: (row) => [row.errors_total], cell: (row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} metric="pulsing_actor_errors_total" /></span>` },
    { key: "handle_mean_s", title: "Mean", width: 80, align: "end", rank: 7, hint: "mean handle time", from: (row) => [duration(row.handle_mean_s)], cell: (row) => duration(row.handle_mean_s) },
    { key: "handle_max", title: "Max", sort: "handle_max_s", width: 80, align: "end", rank: 11, hint: "longest handle time", from: (row) => [row.handle_max_s], cell: (row) => duration(row.handle_max_s) },
    { key: "handle_total_s", title: "Busy time", width: 88, align: "end", rank: 10, hint: "handle time in all", from: (row) => [duration(row.handle_total_s)], cell: (row) => duration(row.handle_total_s) },
    { key: "restarts", title: "Restarts", width: 80, align: "end", rank: 9, from: (row) => [row.restarts], cell: (row) => html`<${Num} value=${row.restarts} as=${count} />` },
    { key: "age", title: "Age", sort: "created_at", width: 84, align: "end", rank: 11, from: (row) => [ageOf(row), row.created_at], cell: (row) => html`<span title=${row.created_at}>${ageOf(row)}</span>` },
    { key: "last_message_at", title: "Last message", width: 110, align: "end", rank: 13, cell: (row) => html`<${Ago} at=${row.last_message_at} />`, hidden: true },
    { key: "tags", title: "Tags", width: 130, rank: 12, sort: false, from: (row) => [row.tags], cell: (row) => html`<${Tags} tags=${row.tags} />` },
  ];
}

/** @param {any} row */
const ageOf = (row) => age(since(row.created_at, now.value) ?? row.age_s);

/** @param {{summary: any, value: string}} props */
function StateChips({ summary, value }) {
  const counts = Object.fromEntries((summary?.items ?? []).map((/** @type {any} */ item) => [item.key?.state, item.actors]));
  const shown = STATES.filter((state) => counts[state] || state === value || state === "stopped" || state === "failed");
  return html`<div class="chips" role="group" aria-label="State">${shown.map((state) => html`<button key=${state} type="button" class="chip" aria-pressed=${state === value} onClick=${() => setQuery({ state: state === value ? "" : state })}>
    <${State} value=${state} />${counts[state] !== undefined && html`<b>${count(counts[state])}</b>`}</button>`)}</div>`;
}

/** @param {{columns: import("../lib/table.js").Column[], hidden: Set<string>, onChange: (hidden: Set<string>) => void}} props */
const ColumnChooser = ({ columns, hidden, onChange }) => html`<${Menu} class="button ghost icon-only" title="Columns" label=${html`<${Icon} name="columns" />`}>
  ${columns.filter((column) => column.rank !== 0).map((column) => html`<label key=${column.key}><input type="checkbox" checked=${!hidden.has(column.key)} onChange=${() => {
    const next = new Set(hidden);
    if (!next.delete(column.key)) next.add(column.key);
    onChange(next);
  }} />${column.title}</label>`)}<//>`;
