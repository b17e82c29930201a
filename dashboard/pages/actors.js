/** Every actor of the cluster as a window over the server's list: filter, sort, select, act. */
import { Act, each } from "../lib/actions.js";
import { part, request } from "../lib/api.js";
import { confirm } from "../lib/dialog.js";
import { download } from "../lib/download.js";
import { age, className, count, duration, rate, since } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { ActorLink, Ago, Chip, ClassLink, Empty, Menu, NodeLink, Num, Partial, ProblemBox, SearchBox, Segments, State, Tags } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { go, link, setQuery } from "../lib/router.js";
import { nodeFilter } from "../lib/shell.js";
import { now, useLive, useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";
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
  const subscription = useLive({ topic: "actors", filter: given(filter), search: query.search || undefined, sort, ...window });
  const view = subscription.view.value;
  const rates = ratesOf(subscription);
  const states = useRest("actors/summary", { by: "state", ...given({ node: filter.node, class: filter.class }) }, 5_000);
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
  return html`<div class="page-head"><div><h1>Actors</h1><p>${view.loaded ? `${count(view.filtered)}${view.filtered === view.total ? "" : ` of ${count(view.total)}`}` : " "}</p></div>
      <div class="toolbar"><${Download} filter=${filter} search=${query.search} sort=${sort} /><${ColumnChooser} columns=${columns} hidden=${hidden} onChange=${(/** @type {Set<string>} */ next) => (localStorage.setItem(KEPT_COLUMNS, JSON.stringify([...next])), setHidden(next))} />
        <${Act} action="actor.spawn" icon="plus" class="button primary" onClick=${() => setQuery({ spawn: "1" })}>Spawn<//></div></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Name, id or class" onInput=${(/** @type {string} */ search) => setQuery({ search })} />
      <${StateChips} summary=${states.data} value=${query.state ?? ""} />
      ${["class", "node", "tag", "kind"].filter((key) => query[key]).map((key) => html`<button key=${key} type="button" class="chip accent" title="Remove this filter" onClick=${() => setQuery({ [key]: "" })}>${key}: ${key === "class" ? className(query[key]) : query[key]}<${Icon} name="close" size=${11} /></button>`)}
      <span class="grow"></span><${Segments} label="Group" value=${group} onChange=${(/** @type {string} */ value) => setQuery({ group: value })} options=${[["", "list"], ["class", "by class"], ["node", "by node"]]} /></div>
    ${selected.size > 0 && html`<${Selection} keys=${selected} rows=${view.rows} onDone=${() => setSelected(new Set())} />`}
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    ${group ? html`<${Groups} key=${group} by=${group} filter=${given(filter)} />` : html`<${Table} fill label="Actors" columns=${columns} rows=${view.rows} offset=${view.offset} total=${view.loaded ? view.filtered : 0} loaded=${view.loaded} sort=${sort}
      onSort=${(/** @type {string} */ next) => setQuery({ sort: next })} onRange=${range} onOpen=${(/** @type {any} */ row) => go(link("actors", row.id))} selected=${selected} onSelect=${setSelected}
      mark=${(/** @type {any} */ row) => (row.state === "stopped" || row.state === "failed" ? "gone" : "")}
      empty=${view.problem ? null : narrowed ? html`<div class="empty"><h3>No actor fits</h3><p>Nothing has this name, class, state and node.</p><button type="button" class="button" onClick=${() => go(link("actors"))}>Clear the filters</button></div>` : html`<${Empty} name="actors" />`} />`}
    ${query.spawn && html`<${SpawnDrawer} wanted=${query.spawn === "1" ? "" : query.spawn} onClose=${() => setQuery({ spawn: "" })} />`}`;
}

/** @param {Record<string, any>} filter */
const given = (filter) => Object.fromEntries(Object.entries(filter).filter(([, value]) => value));

/** @param {(row: any, field: string) => number | null} rates @returns {import("../lib/table.js").Column[]} */
function actorColumns(rates) {
  return [
    { key: "name", title: "Name", width: 150, grow: 1, rank: 0, cell: (row) => html`<${ActorLink} row=${row} />` },
    { key: "class", title: "Class", width: 130, rank: 3, cell: (row) => html`<${ClassLink} path=${row.class} />` },
    { key: "kind", title: "Kind", width: 84, rank: 12, cell: (row) => row.kind },
    { key: "node", title: "Node", width: 96, rank: 6, cell: (row) => html`<${NodeLink} id=${row.node} />` },
    { key: "state", title: "State", width: 104, rank: 1, cell: (row) => html`<${State} value=${row.state === "running" && row.busy ? "busy" : row.state} />` },
    { key: "mailbox", title: "Mailbox", width: 84, align: "end", rank: 2, hint: "messages waiting", cell: (row) => html`<${Num} value=${row.mailbox} as=${count} metric="pulsing_actor_mailbox_messages" />` },
    { key: "mailbox_oldest_s", title: "Oldest", width: 82, align: "end", rank: 8, hint: "longest wait in the mailbox", cell: (row) => (row.mailbox ? duration(row.mailbox_oldest_s) : html`<span class="faint">–</span>`) },
    { key: "messages_total", title: "Messages", width: 90, align: "end", rank: 5, cell: (row) => html`<${Num} value=${row.messages_total} as=${count} metric="pulsing_actor_messages_total" />` },
    { key: "rate", title: "Rate", width: 78, align: "end", rank: 4, sort: false, hint: "messages a second, over the last seconds", cell: (row) => html`<${Num} value=${rates(row, "messages_total")} as=${rate} />` },
    { key: "errors_total", title: "Errors", width: 74, align: "end", rank: 4, cell: (row) => html`<span class=${row.errors_total ? "bad-text" : ""}><${Num} value=${row.errors_total} as=${count} metric="pulsing_actor_errors_total" /></span>` },
    { key: "handle_mean_s", title: "Mean", width: 80, align: "end", rank: 7, hint: "mean handle time", cell: (row) => duration(row.handle_mean_s) },
    { key: "handle_max", title: "Max", sort: "handle_max_s", width: 80, align: "end", rank: 11, hint: "longest handle time", cell: (row) => duration(row.handle_max_s) },
    { key: "handle_total_s", title: "Busy time", width: 88, align: "end", rank: 10, hint: "handle time in all", cell: (row) => duration(row.handle_total_s) },
    { key: "restarts", title: "Restarts", width: 80, align: "end", rank: 9, cell: (row) => html`<${Num} value=${row.restarts} as=${count} />` },
    { key: "age", title: "Age", sort: "created_at", width: 84, align: "end", rank: 11, cell: (row) => html`<span title=${row.created_at}>${age(since(row.created_at, now.value) ?? row.age_s)}</span>` },
    { key: "last_message_at", title: "Last message", width: 110, align: "end", rank: 13, cell: (row) => html`<${Ago} at=${row.last_message_at} />`, hidden: true },
    { key: "tags", title: "Tags", width: 130, rank: 12, sort: false, cell: (row) => html`<${Tags} tags=${row.tags} />` },
  ];
}

/** @param {{summary: any, value: string}} props */
function StateChips({ summary, value }) {
  const counts = Object.fromEntries((summary?.items ?? []).map((/** @type {any} */ item) => [item.key?.state, item.actors]));
  const shown = STATES.filter((state) => counts[state] || state === value || state === "stopped" || state === "failed");
  return html`<div class="chips" role="group" aria-label="State">${shown.map((state) => html`<button key=${state} type="button" class="chip" aria-pressed=${state === value} onClick=${() => setQuery({ state: state === value ? "" : state })}>
    <${State} value=${state} />${counts[state] !== undefined && html`<b>${count(counts[state])}</b>`}</button>`)}</div>`;
}

/** @param {{keys: Set<string>, rows: any[], onDone: () => void}} props */
function Selection({ keys, rows, onDone }) {
  const ids = [...keys];
  const names = rows.filter((row) => keys.has(row.id)).slice(0, 3).map((row) => row.name ?? row.id).join(", ");
  const stop = async () => {
    const reason = await confirm({ title: `Stop ${ids.length} actors?`, object: ids.length === 1 ? names : `${names}${ids.length > 3 ? ` and ${ids.length - 3} more` : ""}`, consequence: "Each finishes the message in hand; what waits in its mailbox fails.", verb: `Stop ${ids.length}` });
    if (reason === null) return;
    await each("Stopped", ids, (id) => request("DELETE", `actors/${part(id)}`, { reason }));
    onDone();
  };
  const restart = async () => {
    await each("Restarted", ids, (id) => request("POST", `actors/${part(id)}/restart`));
    onDone();
  };
  return html`<div class="selection" role="status"><b>${ids.length} selected</b><span class="grow"></span>
    <${Act} action="actor.restart" icon="restart" class="button small" onClick=${restart}>Restart<//><${Act} action="actor.stop" icon="stop" class="button small danger" onClick=${stop}>Stop<//>
    <button type="button" class="button ghost small" onClick=${onDone}>Clear</button></div>`;
}

/** @param {{by: string, filter: Record<string, any>}} props */
function Groups({ by, filter }) {
  const { data, problem, loaded } = useRest("actors/summary", { by, ...filter }, 2_000);
  const rows = (data?.items ?? []).map((/** @type {any} */ item) => ({ ...item, id: item.key[by] ?? "–" }));
  const columns = [
    { key: "id", title: by === "class" ? "Class" : "Node", width: 170, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("actors", "", { [by]: row.id })} title=${row.id}>${by === "class" ? className(row.id) : html`<${NodeLink} id=${row.id} />`}</a>` },
    { key: "actors", title: "Actors", width: 90, align: "end", rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.actors} as=${count} />` },
    { key: "states", title: "States", width: 260, rank: 4, cell: (/** @type {any} */ row) => html`<span class="chips">${Object.entries(row.by_state ?? {}).filter(([, n]) => n).map(([state, n]) => html`<${Chip}><${State} value=${state} /> ${n}<//>`)}</span>` },
    { key: "mailbox", title: "Waiting", width: 90, align: "end", rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.mailbox_messages} as=${count} />` },
    { key: "fullest", title: "Fullest", width: 84, align: "end", rank: 3, cell: (/** @type {any} */ row) => html`<${Num} value=${row.mailbox_max} as=${count} />` },
    { key: "messages", title: "Messages", width: 96, align: "end", rank: 2, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
    { key: "errors", title: "Errors", width: 80, align: "end", rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.errors_total} as=${count} />` },
    { key: "busy", title: "Busy time", width: 96, align: "end", rank: 3, cell: (/** @type {any} */ row) => duration(row.handle_total_s) },
  ];
  return html`<${ProblemBox} problem=${problem} /><${Table} fill label="Groups" columns=${columns} rows=${rows} loaded=${loaded} onOpen=${(/** @type {any} */ row) => go(link("actors", "", { [by]: row.id }))} empty=${html`<${Empty} name="actors" />`} />`;
}

/** @param {{columns: import("../lib/table.js").Column[], hidden: Set<string>, onChange: (hidden: Set<string>) => void}} props */
const ColumnChooser = ({ columns, hidden, onChange }) => html`<${Menu} class="button ghost icon-only" title="Columns" label=${html`<${Icon} name="columns" />`}>
  ${columns.filter((column) => column.rank !== 0).map((column) => html`<label key=${column.key}><input type="checkbox" checked=${!hidden.has(column.key)} onChange=${() => {
    const next = new Set(hidden);
    if (!next.delete(column.key)) next.add(column.key);
    onChange(next);
  }} />${column.title}</label>`)}<//>`;

const MOST = 10_000;

/** @param {{filter: Record<string, any>, search?: string, sort: string}} props */
function Download({ filter, search, sort }) {
  const rows = async () => {
    /** @type {any[]} */
    const items = [];
    for (let cursor = ""; items.length < MOST;) {
      const page = await request("GET", "actors", { query: { ...filter, search, sort, limit: 1000, cursor } });
      items.push(...page.items);
      cursor = page.next;
      if (!cursor) break;
    }
    return items;
  };
  const save = (/** @type {"json" | "csv"} */ kind) => async () => {
    const items = await rows();
    const text = kind === "json" ? JSON.stringify(items, null, 2) : csv(items);
    download(`actors.${kind}`, text, kind === "json" ? "application/json" : "text/csv");
  };
  return html`<${Menu} class="button ghost icon-only" title="Download the filtered list" label=${html`<${Icon} name="save" />`}>
    <button type="button" data-close onClick=${save("csv")}>CSV</button><button type="button" data-close onClick=${save("json")}>JSON</button><//>`;
}

/** @param {any[]} rows */
export function csv(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const cell = (/** @type {any} */ value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    // A leading sign would make a spreadsheet evaluate what an actor's name says.
    const safe = /^[=+\-@\t\r]/.test(text) && typeof value === "string" ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll("\"", "\"\"")}"` : safe;
  };
  return [names.join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\n");
}
