/** Actors by class or node, and as a tree of nodes, their classes and the actors of these. */
import { className, count, duration } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { ActorLink, Chip, Empty, NodeLink, Num, Panel, ProblemBox, Skeleton, State, nodeNames } from "../lib/parts.js";
import { go, link } from "../lib/router.js";
import { useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";

/** @param {{by: string, filter: Record<string, any>}} props */
export function Groups({ by, filter }) {
  const { data, problem, loaded } = useRest("actors/summary", { by, ...filter }, 2_000);
  const rows = (data?.items ?? []).map((/** @type {any} */ item) => ({ ...item, id: item.key[by] ?? "–" }));
  const columns = [
    { key: "id", title: by === "class" ? "Class" : "Node", width: 170, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("actors", "", { [by]: row.id })} title=${row.id}>${by === "class" ? className(row.id) : html`<${NodeLink} id=${row.id} />`}</a>` },
    { key: "actors", title: "Actors", width: 90, align: "end", rank: 0, cell: (/** @type {any} */ row) => html`<${Num} value=${row.actors} as=${count} />` },
    { key: "states", title: "States", width: 260, rank: 4, cell: (/** @type {any} */ row) => html`<${States} counts=${row.by_state} />` },
    { key: "mailbox", title: "Waiting", width: 90, align: "end", rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.mailbox_messages} as=${count} />` },
    { key: "fullest", title: "Fullest", width: 84, align: "end", rank: 3, cell: (/** @type {any} */ row) => html`<${Num} value=${row.mailbox_max} as=${count} />` },
    { key: "messages", title: "Messages", width: 96, align: "end", rank: 2, cell: (/** @type {any} */ row) => html`<${Num} value=${row.messages_total} as=${count} />` },
    { key: "errors", title: "Errors", width: 80, align: "end", rank: 1, cell: (/** @type {any} */ row) => html`<${Num} value=${row.errors_total} as=${count} />` },
    { key: "busy", title: "Busy time", width: 96, align: "end", rank: 3, cell: (/** @type {any} */ row) => duration(row.handle_total_s) },
  ];
  return html`<${ProblemBox} problem=${problem} /><${Table} fill label="Groups" columns=${columns} rows=${rows} loaded=${loaded} onOpen=${(/** @type {any} */ row) => go(link("actors", "", { [by]: row.id }))} empty=${html`<${Empty} name="actors" />`} />`;
}

/** @param {{counts?: Record<string, number>}} props */
const States = ({ counts }) => html`<span class="chips">${Object.entries(counts ?? {}).filter(([, n]) => n).map(([state, n]) => html`<${Chip}><${State} value=${state} /> ${count(n)}<//>`)}</span>`;

/** Rows of two keys as branches: nodes with their classes, the fullest first. @param {any[]} items @returns {Array<{node: string, actors: number, classes: any[]}>} */
export function branchesOf(items) {
  /** @type {Map<string, {node: string, actors: number, classes: any[]}>} */
  const nodes = new Map();
  for (const item of items) {
    const { node } = item.key;
    const branch = nodes.get(node) ?? /** @type {{node: string, actors: number, classes: any[]}} */ ({ node, actors: 0, classes: [] });
    branch.actors += item.actors;
    branch.classes.push({ ...item, class: item.key.class });
    nodes.set(node, branch);
  }
  for (const branch of nodes.values()) branch.classes.sort((one, two) => two.actors - one.actors || one.class.localeCompare(two.class));
  return [...nodes.values()].sort((one, two) => one.node.localeCompare(two.node));
}

/** @param {{filter: Record<string, any>}} props */
export function ActorTree({ filter }) {
  const { data, problem, loaded } = useRest("actors/summary", { by: "node,class", ...filter }, 2_000);
  if (!loaded) return html`<${Skeleton} lines=${8} />`;
  const branches = branchesOf(data?.items ?? []);
  if (!branches.length) return html`<${ProblemBox} problem=${problem} />${!problem && html`<section class="panel"><${Empty} name="actors" /></section>`}`;
  return html`<${ProblemBox} problem=${problem} /><${Panel} flush><ul class="tree" aria-label="Actors by node and class">${branches.map((branch) => html`<li key=${branch.node}>
    <${Branch} open label=${html`<${Icon} name="nodes" size=${15} /><b title=${branch.node}>${nodeNames.get(branch.node) ?? branch.node}</b>`} note=${`${count(branch.actors)} ${branch.actors === 1 ? "actor" : "actors"}`}>
      <ul>${branch.classes.map((one) => html`<li key=${one.class}><${Branch} label=${html`<span title=${one.class}>${className(one.class)}</span>`} note=${html`<${States} counts=${one.by_state} />${one.mailbox_messages > 0 && html`<span>${count(one.mailbox_messages)} waiting</span>`}${one.errors_total > 0 && html`<span class="bad-text">${count(one.errors_total)} errors</span>`}`}>
        <${Leaves} filter=${{ ...filter, node: branch.node, class: one.class }} total=${one.actors} /><//></li>`)}</ul><//></li>`)}</ul><//>`;
}

/** What is inside is asked for only when it is open. @param {{open?: boolean, label: any, note: any, children: any}} props */
function Branch({ open: first = false, label, note, children }) {
  const [open, setOpen] = useState(first);
  return html`<button type="button" class="branch" aria-expanded=${open} onClick=${() => setOpen(!open)}><span class="turn" aria-hidden="true"><${Icon} name="chevron" size=${13} /></span>${label}<span class="grow"></span><span class="row faint small">${note}</span></button>${open && children}`;
}

const LEAVES = 100;

/** @param {{filter: Record<string, any>, total: number}} props */
function Leaves({ filter, total }) {
  const { data, problem, loaded } = useRest("actors", { ...filter, sort: "name", limit: LEAVES, fields: "id,name,class,state,busy,mailbox,errors_total" }, 2_000);
  if (!loaded) return html`<p class="pad faint">…</p>`;
  return html`<${ProblemBox} problem=${problem} /><ul>${(data?.items ?? []).map((/** @type {any} */ row) => html`<li key=${row.id} class="leaf"><${ActorLink} row=${row} /><span class="grow"></span>${row.mailbox > 0 && html`<span class="faint small">${count(row.mailbox)} waiting</span>`}<${State} value=${row.state === "running" && row.busy ? "busy" : row.state} /></li>`)}
    ${total > LEAVES && html`<li class="leaf"><a href=${link("actors", "", { class: filter.class, node: filter.node })}>all ${count(total)}</a></li>`}</ul>`;
}
