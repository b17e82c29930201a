/** Messages that reached nobody, why, and a second chance for those that were kept. */
import { Act, act } from "../lib/actions.js";
import { Drawer, confirm } from "../lib/dialog.js";
import { bytes, className, count } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Ago, Chip, Empty, Facts, NodeLink, Partial, ProblemBox } from "../lib/parts.js";
import { canDo } from "../lib/offers.js";
import { link, setQuery } from "../lib/router.js";
import { CopyAs } from "../lib/snippets.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";
import { ReplayDrawer } from "./replay.js";

/** @param {{query: Record<string, string>}} props */
export default function DeadLetters({ query }) {
  const filter = query.reason ? { reason: query.reason } : {};
  const subscription = useLive({ topic: "dead_letters", filter, offset: 0, limit: 200 });
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const view = subscription.view.value;
  const reasons = tally(view.rows.map((row) => row.reason), query.reason);
  const [replaying, setReplaying] = useState(false);
  const clear = async () => {
    const code = html`<${CopyAs} request=${() => ({ method: "DELETE", path: "dead-letters" })} cli=${() => "pulsing dead-letters clear"} />`;
    const reason = await confirm({ title: "Forget all dead letters?", object: `${count(view.total)} dead letters`, consequence: "They cannot be replayed after that. The counter stays.", verb: "Clear", code });
    if (reason !== null) await act("Cleared", "DELETE", "dead-letters", { reason }, (answer) => `${answer.cleared} forgotten`);
  };
  return html`<div class="page-head"><div><h1>Dead letters</h1><p>${view.loaded ? `${count(view.filtered)} kept` : " "}</p></div><div class="toolbar">
      <${Act} action="dead_letter.replay" icon="restart" disabled=${!view.rows.length && "There are none"} onClick=${() => setReplaying(true)}>Replay ${selected.size || query.reason || "all"}…<//>
      <${Act} action="dead_letter.clear" class="button danger" disabled=${!view.rows.length && "There are none"} onClick=${clear}>Clear<//></div></div>
    <div class="chips" role="group" aria-label="Reason">${reasons.map(([reason, n]) => html`<button key=${reason} type="button" class="chip" aria-pressed=${reason === query.reason} onClick=${() => setQuery({ reason: reason === query.reason ? "" : reason })}>${reason} <b>${n}</b></button>`)}</div>
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <${Table} fill label="Dead letters" columns=${COLUMNS} rows=${view.rows} loaded=${view.loaded} selected=${selected} onSelect=${canDo("dead_letter.replay") ? setSelected : undefined} onOpen=${setOpen} empty=${!view.problem && html`<${Empty} name="dead-letters" />`} />
    ${open && html`<${Letter} letter=${open} onClose=${() => setOpen(null)} />`}
    ${replaying && html`<${ReplayDrawer} ids=${[...selected]} filter=${filter} onClose=${() => setReplaying(false)} onDone=${() => (setReplaying(false), setSelected(new Set()))} />`}`;
}

/** @param {string[]} words @param {string} [kept] @returns {Array<[string, number]>} */
function tally(words, kept) {
  /** @type {Map<string, number>} */
  const counts = new Map(kept ? [[kept, 0]] : []);
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts];
}

const COLUMNS = [
  { key: "at", title: "When", width: 98, rank: 0, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.at} />` },
  { key: "reason", title: "Reason", width: 104, rank: 0, cell: (/** @type {any} */ row) => html`<${Chip} tone="warn">${row.reason}<//>` },
  { key: "recipient", title: "For", width: 124, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<span title=${row.recipient?.id}>${row.recipient?.name?.replace(/^actors\//, "") ?? row.recipient?.id ?? "–"} <span class="faint">${row.recipient?.class ? className(row.recipient.class) : ""}</span></span>` },
  { key: "method", title: "Method", width: 120, rank: 2, cell: (/** @type {any} */ row) => html`<span class="mono">${row.method ?? row.kind}</span>` },
  { key: "sender", title: "From", width: 150, rank: 6, cell: (/** @type {any} */ row) => (row.sender ? html`<a class="mono small" href=${link("actors", row.sender)} title=${row.sender}>${row.sender}</a>` : html`<span class="faint">–</span>`) },
  { key: "node", title: "Node", width: 96, rank: 5, cell: (/** @type {any} */ row) => html`<${NodeLink} id=${row.node} />` },
  { key: "preview", title: "Message", width: 200, rank: 4, cell: (/** @type {any} */ row) => html`<span class="mono small faint">${row.preview ?? (row.redacted ? "hidden from viewers" : "")}</span>` },
  { key: "bytes", title: "Size", width: 80, align: /** @type {"end"} */ ("end"), rank: 7, cell: (/** @type {any} */ row) => bytes(row.bytes) },
  { key: "kept", title: "Kept", width: 84, rank: 5, cell: (/** @type {any} */ row) => (row.replayable ? html`<${Chip} tone="good">whole<//>` : html`<span class="faint">facts</span>`) },
];

/** @param {{letter: any, onClose: () => void}} props */
const Letter = ({ letter, onClose }) => html`<${Drawer} title="Dead letter" onClose=${onClose}><div class="stack">
  <${Facts} items=${[["When", html`<${Ago} at=${letter.at} />`], ["Reason", letter.reason], ["Kind", letter.kind], ["Method", letter.method], ["Size", bytes(letter.bytes)], ["Kept", letter.replayable ? "whole" : "facts only"], ["Replays", letter.replays], ["Node", html`<${NodeLink} id=${letter.node} />`]]} />
  <p class="object mono">${letter.recipient?.name ?? letter.recipient?.id}</p>
  ${letter.recipient?.class && html`<p><a href=${link("classes", letter.recipient.class)}>${letter.recipient.class}</a></p>`}
  ${letter.preview && html`<div class="value"><pre>${letter.preview}</pre></div>`}
  ${letter.trace_id && html`<p class="faint mono small">trace ${letter.trace_id}</p>`}</div><//>`;
