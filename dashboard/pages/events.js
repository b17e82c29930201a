/** What happens, as it happens: by kind, searchable, and paused without losing count. */
import { download } from "../lib/download.js";
import { EventList, dataText, subjectName } from "../lib/eventlist.js";
import { count } from "../lib/format.js";
import { html, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Empty, Panel, ProblemBox, SearchBox, Skeleton } from "../lib/parts.js";
import { setQuery } from "../lib/router.js";
import { NotThere, isChosen, nodeFilter } from "../lib/shell.js";
import { useLive } from "../lib/stream.js";

const KINDS = ["actor", "member", "queue", "topic", "link", "dead_letter", "check", "name", "node", "admin"];

/** @param {{query: Record<string, string>}} props */
export default function Events({ query }) {
  const subscription = useLive({ topic: "events", limit: 200 });
  const view = subscription.view.value;
  const [paused, setPaused] = useState(false);
  const held = useRef(view.rows);
  if (!paused) held.current = view.rows;
  const waiting = paused ? view.rows.findIndex((row) => row.id === held.current[0]?.id) : 0;
  const search = (query.search ?? "").toLowerCase();
  const here = held.current.filter((row) => isChosen(row.node));
  const shown = here.filter((row) => (!query.kind || row.type.split(".")[0] === query.kind) && (!search || `${row.type} ${subjectName(row.subject)} ${dataText(row.data)}`.toLowerCase().includes(search)));
  const counts = new Map();
  for (const row of here) counts.set(row.type.split(".")[0], (counts.get(row.type.split(".")[0]) ?? 0) + 1);
  const save = () => download("events.jsonl", shown.map((row) => JSON.stringify(row)).join("\n"), "application/jsonl");
  return html`<div class="page-head"><div><h1>Events</h1><p>the last ${count(shown.length)}, newest first</p></div><div class="toolbar">
      <button type="button" class="button ghost icon-only" title="Download what is shown" aria-label="Download" onClick=${save}><${Icon} name="save" /></button>
      <button type="button" class="button" aria-pressed=${paused} onClick=${() => setPaused(!paused)}><${Icon} name=${paused ? "play" : "pause"} size=${14} />${paused ? `Go on${waiting > 0 ? ` (${waiting} new)` : ""}` : "Pause"}</button></div></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Type, name or text" onInput=${(/** @type {string} */ text) => setQuery({ search: text })} />
      <div class="chips" role="group" aria-label="Kind">${KINDS.filter((kind) => counts.get(kind) || kind === query.kind).map((kind) => html`<button key=${kind} type="button" class="chip" aria-pressed=${kind === query.kind} onClick=${() => setQuery({ kind: kind === query.kind ? "" : kind })}>${kind.replace("_", " ")} <b>${count(counts.get(kind) ?? 0)}</b></button>`)}</div></div>
    <${ProblemBox} problem=${view.problem} />
    ${!view.loaded ? html`<${Skeleton} lines=${8} />` : html`<${Panel} flush>${shown.length ? html`<${EventList} events=${shown} />` : held.current.length ? (nodeFilter.value && !here.length ? html`<${NotThere} />` : html`<p class="empty small">No event fits.</p>`) : html`<${Empty} name="events" />`}<//>`}`;
}
