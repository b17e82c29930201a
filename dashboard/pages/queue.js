/** One queue: its buckets and owners, who reads how far behind, and the records themselves, looked at without taking them. */
import { Act, act, whyNotFor } from "../lib/actions.js";
import { part, request } from "../lib/api.js";
import { Chart } from "../lib/chart.js";
import { confirm } from "../lib/dialog.js";
import { ago, bytes, clock, count, duration, rate } from "../lib/format.js";
import { Field } from "../lib/form.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Tree } from "../lib/json.js";
import { Ago, Chip, Facts, NodeLink, Num, Panel, Partial, ProblemBox, Segments, Skeleton, State, nodeNames } from "../lib/parts.js";
import { ratesOf } from "../lib/rates.js";
import { go, link } from "../lib/router.js";
import { CopyAs, python, shellQuoted } from "../lib/snippets.js";
import { now, useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { extend, growth, NO_TRAIL } from "../lib/trail.js";
import { TrimDrawer, consequenceOf } from "./trim.js";

/** @param {{id: string}} props */
export default function QueuePage({ id }) {
  const subscription = useLive({ topic: "queue", id });
  const view = subscription.view.value;
  const queue = view.rows[0];
  const rates = ratesOf(subscription);
  const trail = useTrail(queue, ["put_total", "read_total", "max_lag"]);
  const crumbs = html`<p class="crumbs"><a href=${link("queues")}>Queues</a> /</p>`;
  if (!queue || view.problem?.status === 404) return view.loaded ? html`${crumbs}<${ProblemBox} problem=${view.problem} />` : html`<${Skeleton} lines=${10} />`;
  return html`<div class="page-head"><div>${crumbs}<div class="row"><h1>${queue.queue}</h1><${State} value=${queue.state} /><${Chip}>${queue.backend}<//></div><p>${queue.num_buckets} buckets by <span class="mono">${queue.bucket_column}</span></p></div>
      <${Management} queue=${queue} /></div>
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <div class="grid"><${Panel} class="w5" title="Now"><${Facts} items=${[["Records", html`<${Num} value=${queue.records} as=${count} metric="pulsing_queue_records" />`], ["Size", bytes(queue.bytes)], ["Put", rate(rates(queue, "put_total"))], ["Read", rate(rates(queue, "read_total"))], ["Put in all", count(queue.put_total)], ["Read in all", count(queue.read_total)], ["Largest lag", count(queue.max_lag)], ["Oldest record", queue.oldest_at ? html`<${Ago} at=${queue.oldest_at} />` : null], ["Readers", count(queue.readers)], ["Skew", queue.skew?.toFixed(2), "largest bucket / mean"]]} /><//>
      <${Panel} class="w7" title="Flow" note="since this page was opened"><${Chart} label="Records put and read a second" height=${190} times=${trail.times} as=${rate} data=${[growth(trail.times, trail.series.put_total), growth(trail.times, trail.series.read_total)]} lines=${[{ label: "put", colour: "--c1" }, { label: "read", colour: "--c2" }]} /><//></div>
    <${Buckets} rows=${queue.bucket_rows ?? []} />
    <${Readers} rows=${queue.reader_rows ?? []} />${queue.group_rows?.length > 0 && html`<${Groups} rows=${queue.group_rows} />`}
    <div class="grid"><div class="w7"><${Viewer} queue=${queue} /></div><div class="w5"><${Put} queue=${queue} /></div></div>`;
}

/** What this page has seen of a few numbers. @param {any} row @param {string[]} names */
export function useTrail(row, names) {
  const trail = useRef(NO_TRAIL);
  const beat = Math.floor(now.value / 1000);
  if (row) trail.current = extend(trail.current, beat, Object.fromEntries(names.map((name) => [name, row[name] ?? null])));
  return trail.current;
}

/** @param {{queue: any}} props */
function Management({ queue }) {
  const path = `queues/${part(queue.queue)}`;
  const dry = () => request("POST", `${path}/purge`, { query: { dry_run: true } }).then(consequenceOf, (error) => `How many cannot be said: ${error.message}`);
  const [trimming, setTrimming] = useState(false);
  const name = shellQuoted(queue.queue);
  const purge = async () => {
    const code = html`<${CopyAs} request=${() => ({ method: "POST", path: `${path}/purge` })} cli=${() => `pulsing queue purge ${name}`} />`;
    const reason = await confirm({ title: "Purge this queue?", object: queue.queue, consequence: await dry(), verb: "Purge", typed: true, code });
    if (reason !== null) await act(`Purged ${queue.queue}`, "POST", `${path}/purge`, { reason }, (answer) => `${count(answer.removed)} records removed`);
  };
  const remove = async () => {
    const code = html`<${CopyAs} request=${() => ({ method: "DELETE", path })} cli=${() => `pulsing queue delete ${name}`} />`;
    const reason = await confirm({ title: "Delete this queue?", object: queue.queue, consequence: `${count(queue.records)} records and ${queue.num_buckets} buckets go, for ${count(queue.readers)} readers too.`, verb: "Delete", typed: true, code });
    if (reason !== null && await act(`Deleted ${queue.queue}`, "DELETE", path, { reason })) go(link("queues"));
  };
  return html`<div class="toolbar"><${CopyAs} request=${() => ({ method: "POST", path: `${path}/flush` })} python=${() => `queue = await system.queue.write(${python(queue.queue)}, bucket_column=${python(queue.bucket_column)}, num_buckets=${queue.num_buckets})\nawait queue.flush()`} cli=${() => `pulsing queue flush ${name}`} /><${Act} action="queue.flush" onClick=${() => act(`Flushed ${queue.queue}`, "POST", `${path}/flush`, undefined, (answer) => `${answer.buckets} buckets`)}>Flush<//>
    <${Act} action="queue.trim" onClick=${() => setTrimming(true)}>Trim…<//><${Act} action="queue.purge" class="button danger" onClick=${purge}>Purge<//><${Act} action="queue.delete" icon="trash" class="button danger" onClick=${remove}>Delete<//>
    ${trimming && html`<${TrimDrawer} queue=${queue} onClose=${() => setTrimming(false)} />`}</div>`;
}

/** @param {{rows: any[]}} props */
function Buckets({ rows }) {
  const most = Math.max(1, ...rows.map((row) => row.records ?? 0));
  return html`<${Panel} title="Buckets" note="width by records, shade by age of the oldest"><div class="buckets">${rows.map((row) => {
    const old = row.oldest_at ? Math.min(1, (now.value - Date.parse(row.oldest_at)) / 600_000) : 0;
    return html`<div key=${row.bucket_id} class="bucket ${row.state}" style=${{ flexGrow: 0.25 + (row.records ?? 0) / most, "--heat": old }} title=${`bucket ${row.bucket_id} on ${nodeNames.get(row.node) ?? row.node}: offsets ${row.earliest} to ${row.next}, ${row.put_total} put, ${row.read_total} read, oldest ${ago(row.oldest_at, now.value)}`}>
      <b>${row.bucket_id}${row.state !== "ok" ? ` ${row.state}` : ""}</b>${count(row.records)}<small>${nodeNames.get(row.node) ?? row.node?.slice(0, 8)}</small></div>`;
  })}</div><//>`;
}

/** @param {{rows: any[]}} props */
function Readers({ rows }) {
  const end = /** @type {"end"} */ ("end");
  const columns = [
    { key: "reader", title: "Reader", width: 140, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<span title=${row.reader}>${row.reader}</span>` },
    { key: "rank", title: "Rank", width: 80, rank: 2, cell: (/** @type {any} */ row) => (row.rank == null ? html`<span class="faint">–</span>` : `${row.rank} of ${row.world_size}`) },
    { key: "buckets", title: "Buckets", width: 100, rank: 3, cell: (/** @type {any} */ row) => (row.buckets ?? []).join(", ") },
    { key: "offsets", title: "Offsets", width: 140, rank: 5, cell: (/** @type {any} */ row) => html`<span class="mono small" title=${JSON.stringify(row.offsets)}>${Object.entries(row.offsets ?? {}).map(([bucket, at]) => `${bucket}:${at}`).join(" ")}</span>` },
    { key: "node", title: "Node", width: 90, rank: 4, cell: (/** @type {any} */ row) => html`<${NodeLink} id=${row.node} />` },
    { key: "state", title: "State", width: 90, rank: 2, cell: (/** @type {any} */ row) => html`<${State} value=${row.waiting ? "waiting" : "reading"} />` },
    { key: "lag", title: "Lag", width: 80, align: end, rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.lag} as=${count} />` },
    { key: "unread", title: "Oldest unread", width: 110, align: end, rank: 4, cell: (/** @type {any} */ row) => duration(row.oldest_unread_s) },
    { key: "last", title: "Last read", width: 104, align: end, rank: 3, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.last_read_at} />` },
  ];
  return html`<${Panel} title="Readers" note="seen in the last ten minutes" flush><${Table} label="Readers" columns=${columns} rows=${rows.map((row) => ({ ...row, id: row.reader }))} empty=${html`<p class="pad faint">Nobody has read from this queue lately.</p>`} /><//>`;
}

/** Consumer groups: what each has committed, and who works on it. @param {{rows: any[]}} props */
function Groups({ rows }) {
  const end = /** @type {"end"} */ ("end");
  const columns = [
    { key: "group", title: "Group", width: 140, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<b>${row.group}</b>` },
    { key: "members", title: "Members", width: 92, align: end, rank: 1, cell: (/** @type {any} */ row) => count(Array.isArray(row.members) ? row.members.length : row.members) },
    { key: "buckets", title: "Committed", width: 220, rank: 3, cell: (/** @type {any} */ row) => html`<span class="mono small" title=${JSON.stringify(row.buckets)}>${Object.entries(row.buckets ?? {}).map(([bucket, { committed, end: last }]) => `${bucket}:${committed}/${last}`).join(" ")}</span>` },
    { key: "pending", title: "In hand", width: 90, align: end, rank: 2, cell: (/** @type {any} */ row) => html`<${Num} value=${Object.values(row.buckets ?? {}).reduce((sum, each) => sum + (each.pending ?? 0), 0)} as=${count} />` },
    { key: "lag", title: "Lag", width: 80, align: end, rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.lag} as=${count} />` },
    { key: "dead", title: "Given up", width: 90, align: end, rank: 1, cell: (/** @type {any} */ row) => html`<span class=${row.dead_records ? "bad-text" : ""}><${Num} value=${row.dead_records} as=${count} /></span>` },
  ];
  return html`<${Panel} title="Groups" note="records shared among members" flush><${Table} label="Groups" columns=${columns} rows=${rows.map((row) => ({ ...row, id: row.group }))} /><//>`;
}

/** @param {{queue: any}} props */
function Viewer({ queue }) {
  const [order, setOrder] = useState("newest");
  const [bucket, setBucket] = useState("");
  const [contains, setContains] = useState("");
  const [page, setPage] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const look = () => request("GET", `queues/${part(queue.queue)}/messages`, { query: { order, bucket_id: bucket, contains, limit: 20 } }).then((body) => (setPage(body), setProblem(null)), (error) => setProblem(error.body));
  const closed = whyNotFor("operator");
  useEffect(() => void (closed || look()), [order, bucket, queue.queue, closed]);
  if (closed) return html`<${Panel} title="Records"><p class="empty small">To look at records ${closed}.</p><//>`;
  return html`<${Panel} title="Records" flush actions=${html`<${Segments} label="Order" value=${order} onChange=${setOrder} options=${[["newest", "newest"], ["oldest", "oldest"]]} />
      <select aria-label="Bucket" value=${bucket} onChange=${(/** @type {any} */ event) => setBucket(event.target.value)}><option value="">all buckets</option>${(queue.bucket_rows ?? []).map((/** @type {any} */ row) => html`<option value=${row.bucket_id}>bucket ${row.bucket_id}</option>`)}</select>
      <input class="contains" value=${contains} placeholder="contains" aria-label="Contains" onInput=${(/** @type {any} */ event) => setContains(event.target.value)} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && look()} /><button type="button" class="button icon-only" title="Look again" aria-label="Look again" onClick=${look}><${Icon} name="restart" size=${14} /></button>`}>
    <${ProblemBox} problem=${problem} />
    ${!page ? !problem && html`<div class="pad"><${Skeleton} lines=${4} /></div>` : page.items.length ? html`<ol class="records" tabindex="0">${page.items.map((/** @type {any} */ item) => html`<li key=${`${item.bucket_id}:${item.offset}`}><span class="faint small nowrap"><b>${item.bucket_id}</b>:${item.offset}<br />${item.at ? clock(item.at).slice(0, 8) : ""}</span><div class="value"><${Tree} value=${item.record} /></div></li>`)}</ol>` : html`<p class="empty small">No record here. Looking takes nothing out.</p>`}<//>`;
}

/** One JSON value, or one a line. @param {string} text @returns {{records: any[], error: string}} */
export function recordsOf(text) {
  try {
    const value = JSON.parse(text);
    return { records: Array.isArray(value) ? value : [value], error: "" };
  } catch (whole) {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    try {
      if (lines.length < 2) throw whole;
      return { records: lines.map((line) => JSON.parse(line)), error: "" };
    } catch (error) {
      return { records: [], error: /** @type {Error} */ (error).message };
    }
  }
}

/** @param {{queue: any}} props */
function Put({ queue }) {
  const [text, setText] = useState("");
  const [touched, setTouched] = useState(false);
  const { records, error } = recordsOf(text);
  const path = `queues/${part(queue.queue)}/messages`;
  const body = { records };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setTouched(true);
    if (error) return;
    if (await act(records.length === 1 ? "Put 1 record" : `Put ${records.length} records`, "POST", path, { body }, (answer) => `into ${[...new Set(answer.results.map((/** @type {any} */ each) => each.bucket_id))].map((bucket) => `bucket ${bucket}`).join(", ")}`)) setTouched(false);
  };
  return html`<${Panel} title="Put"><form class="form" onSubmit=${submit}>
    <${Field} name="records" label="Record" schema=${{ description: `JSON with the field ${queue.bucket_column}; several: a list, or one a line` }} rows=${6} text=${text} error=${touched ? error : ""} onInput=${setText} />
    <div class="row"><${Act} action="queue.put" type="submit" icon="plus" class="button primary" disabled=${!text.trim() && "Write a record first"}>Put<//>${!text && html`<button type="button" class="link small" onClick=${() => setText(JSON.stringify({ [queue.bucket_column ?? "id"]: "a1", value: 1 }, null, 2))}>Example</button>`}<span class="grow"></span>
      <${CopyAs} request=${() => ({ method: "POST", path, body })} python=${() => `queue = await system.queue.write(${python(queue.queue)}, bucket_column=${python(queue.bucket_column)}, num_buckets=${queue.num_buckets})\nawait queue.put(${python(records.length === 1 ? records[0] : records)})`} cli=${() => `pulsing queue put ${shellQuoted(queue.queue)} ${records.map((record) => shellQuoted(JSON.stringify(record))).join(" ")}`} /></div></form><//>`;
}
