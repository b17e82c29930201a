/** Messages that reached nobody, why, and a second chance for those that were kept. */
import { Act, act } from "../lib/actions.js";
import { request } from "../lib/api.js";
import { confirm, toast } from "../lib/dialog.js";
import { bytes, className, count } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Ago, Chip, Empty, Facts, NodeLink, Panel, Partial, ProblemBox } from "../lib/parts.js";
import { canDo } from "../lib/offers.js";
import { link, setQuery } from "../lib/router.js";
import { useLive } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {{query: Record<string, string>}} props */
export default function DeadLetters({ query }) {
  const filter = query.reason ? { reason: query.reason } : {};
  const subscription = useLive({ topic: "dead_letters", filter, offset: 0, limit: 200 });
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const view = subscription.view.value;
  const reasons = tally(view.rows.map((row) => row.reason), query.reason);
  const replay = async () => {
    const ids = [...selected];
    const body = ids.length ? { ids } : { filter, limit: 1000 };
    const dry = await request("POST", "dead-letters/replay", { body, query: { dry_run: true } }).catch((error) => (toast("bad", error.body?.title ?? "Failed", error.message), null));
    if (!dry) return;
    const skipped = dry.skipped?.length ? ` ${dry.skipped.length} were not kept whole and stay.` : "";
    const reason = await confirm({ title: "Send these again?", object: ids.length ? `${ids.length} selected` : query.reason ?? "all dead letters", consequence: `${count(dry.replayed)} messages go out again, as tells: whoever asked first is gone.${skipped}`, verb: "Replay" });
    if (reason === null) return;
    await act("Replayed", "POST", "dead-letters/replay", { body, reason }, (answer) => `${answer.replayed} sent, ${answer.failed?.length ?? 0} failed, ${answer.skipped?.length ?? 0} skipped`);
    setSelected(new Set());
  };
  const clear = async () => {
    const reason = await confirm({ title: "Forget all dead letters?", object: `${count(view.total)} dead letters`, consequence: "They cannot be replayed after that. The counter stays.", verb: "Clear" });
    if (reason !== null) await act("Cleared", "DELETE", "dead-letters", { reason }, (answer) => `${answer.cleared} forgotten`);
  };
  return html`<div class="page-head"><div><h1>Dead letters</h1><p>${view.loaded ? `${count(view.filtered)} kept` : " "}</p></div><div class="toolbar">
      <${Act} action="dead_letter.replay" icon="restart" disabled=${!view.rows.length} onClick=${replay}>Replay ${selected.size ? selected.size : query.reason ?? "all"}<//>
      <${Act} action="dead_letter.clear" class="button danger" disabled=${!view.rows.length} onClick=${clear}>Clear<//></div></div>
    <div class="chips" role="group" aria-label="Reason">${reasons.map(([reason, n]) => html`<button key=${reason} type="button" class="chip" aria-pressed=${reason === query.reason} onClick=${() => setQuery({ reason: reason === query.reason ? "" : reason })}>${reason} <b>${n}</b></button>`)}</div>
    <${Partial} view=${view} /><${ProblemBox} problem=${view.problem} />
    <${Table} fill label="Dead letters" columns=${COLUMNS} rows=${view.rows} loaded=${view.loaded} selected=${selected} onSelect=${canDo("dead_letter.replay") ? setSelected : undefined} onOpen=${setOpen} empty=${!view.problem && html`<${Empty} name="dead-letters" />`} />
    ${open && html`<${Letter} letter=${open} />`}`;
}

/** @param {string[]} words @param {string} [kept] @returns {Array<[string, number]>} */
function tally(words, kept) {
  /** @type {Map<string, number>} */
  const counts = new Map(kept ? [[kept, 0]] : []);
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts];
}

const COLUMNS = [
  { key: "at", title: "When", width: 110, rank: 0, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.at} />` },
  { key: "reason", title: "Reason", width: 120, rank: 0, cell: (/** @type {any} */ row) => html`<${Chip} tone="warn">${row.reason}<//>` },
  { key: "recipient", title: "For", width: 160, grow: 1, rank: 1, cell: (/** @type {any} */ row) => html`<span title=${row.recipient?.id}>${row.recipient?.name?.replace(/^actors\//, "") ?? row.recipient?.id ?? "–"} <span class="faint">${row.recipient?.class ? className(row.recipient.class) : ""}</span></span>` },
  { key: "method", title: "Method", width: 120, rank: 2, cell: (/** @type {any} */ row) => html`<span class="mono">${row.method ?? row.kind}</span>` },
  { key: "sender", title: "From", width: 150, rank: 6, cell: (/** @type {any} */ row) => (row.sender ? html`<a class="mono small" href=${link("actors", row.sender)}>${row.sender}</a>` : html`<span class="faint">–</span>`) },
  { key: "node", title: "Node", width: 96, rank: 5, cell: (/** @type {any} */ row) => html`<${NodeLink} id=${row.node} />` },
  { key: "preview", title: "Message", width: 200, rank: 4, cell: (/** @type {any} */ row) => html`<span class="mono small faint">${row.preview ?? (row.redacted ? "hidden from viewers" : "")}</span>` },
  { key: "bytes", title: "Size", width: 80, align: /** @type {"end"} */ ("end"), rank: 7, cell: (/** @type {any} */ row) => bytes(row.bytes) },
  { key: "kept", title: "Kept", width: 84, rank: 5, cell: (/** @type {any} */ row) => (row.replayable ? html`<${Chip} tone="good">whole<//>` : html`<span class="faint">facts</span>`) },
];

/** @param {{letter: any}} props */
const Letter = ({ letter }) => html`<${Panel} title="Letter ${letter.id}"><div class="stack"><${Facts} items=${[["Reason", letter.reason], ["Kind", letter.kind], ["Method", letter.method], ["Size", bytes(letter.bytes)], ["Replays", letter.replays], ["Trace", letter.trace_id]]} />${letter.preview && html`<div class="value"><pre>${letter.preview}</pre></div>`}
  ${letter.recipient?.class && html`<a href=${link("classes", letter.recipient.class)}>${letter.recipient.class}</a>`}</div><//>`;
