/** The cluster as its members see it: who is alive, who suspects whom, which names exist. */
import { Act, act } from "../lib/actions.js";
import { EventList } from "../lib/eventlist.js";
import { className, count, duration } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Ago, Chip, Facts, NodeLink, Panel, Partial, ProblemBox, SearchBox, Skeleton, State, nodeNames } from "../lib/parts.js";
import { go, link } from "../lib/router.js";
import { CopyAs, shellQuoted } from "../lib/snippets.js";
import { fromList } from "../lib/store.js";
import { useLive, useRest } from "../lib/stream.js";
import { Table } from "../lib/table.js";

export default function Cluster() {
  const { data: cluster, problem, loaded } = useRest("cluster", {}, 2_000);
  const { data: list, problem: hidden } = useRest("cluster/members", { limit: 1000 }, 2_000);
  const links = useLive({ topic: "links", limit: 200 }).view.value.rows;
  const members = list ? fromList(list, 0) : null;
  if (!loaded) return html`<${Skeleton} lines=${10} />`;
  if (!cluster) return html`<${ProblemBox} problem=${problem} />`;
  return html`<div class="page-head"><div><div class="row"><h1>${cluster.name}</h1>${cluster.agreed === false ? html`<${Chip} tone="warn" title=${(cluster.disagreeing ?? []).map((/** @type {string} */ id) => nodeNames.get(id) ?? id).join(", ")}>views differ<//>` : cluster.agreed && html`<${Chip} tone="good">all agree<//>`}</div><p>${cluster.mode} · ${cluster.size} ${cluster.size === 1 ? "member" : "members"}</p></div><${Join} /></div>
    <${ProblemBox} problem=${problem ?? hidden} />${members && html`<${Partial} view=${members} />`}
    <div class="grid even"><${Panel} class="w5" title="Nodes and links"><${Picture} members=${members?.rows ?? []} links=${links} /><//>
      <div class="w7 stack gap"><${Panel} title="State"><${Facts} items=${[["Mode", cluster.mode], ["Members", count(cluster.size)], ...Object.entries(cluster.by_status ?? {}).map(([status, n]) => [status[0].toUpperCase() + status.slice(1), count(n)]), ["Revision", cluster.revision], ["TLS", cluster.tls == null ? null : cluster.tls ? "yes" : "no"], ["Head", cluster.head && html`<${NodeLink} id=${cluster.head} />`]]} />
        ${cluster.seeds?.length > 0 && html`<h3 class="sub">Seeds</h3><ul class="stack">${cluster.seeds.map((/** @type {any} */ seed) => html`<li class="row"><span class="mono">${seed.addr}</span><${State} value=${seed.reachable === false ? "unavailable" : seed.reachable ? "ok" : "off"} /><span class="faint"><${Ago} at=${seed.last_tried_at} /></span></li>`)}</ul>`}<//><${Comings} /></div></div>
    <${Panel} title="Members" flush><${Table} label="Members" columns=${MEMBER_COLUMNS} rows=${members?.rows ?? []} loaded=${Boolean(members)} onOpen=${(/** @type {any} */ row) => go(link("nodes", row.id))} empty=${html`<p class="pad faint">This node stands alone.</p>`} /><//>
    <${Names} />`;
}

function Join() {
  const [open, setOpen] = useState(false);
  const [seeds, setSeeds] = useState("");
  const body = { seeds: seeds.split(/[\s,]+/).filter(Boolean) };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (await act("Joined", "POST", "cluster/join", { body }, (answer) => `${answer.size} members`)) setOpen(false);
  };
  return open ? html`<form class="row" onSubmit=${submit}><input autofocus aria-label="Seeds" placeholder="host:port" value=${seeds} onInput=${(/** @type {any} */ event) => setSeeds(event.target.value)} class="seed" /><${Act} action="cluster.join" type="submit" class="button primary" disabled=${!seeds.trim() && "Name a host and port first"}>Join<//><${CopyAs} request=${() => ({ method: "POST", path: "cluster/join", body })} cli=${() => `pulsing cluster join ${body.seeds.map(shellQuoted).join(" ")}`} /></form>`
    : html`<${Act} action="cluster.join" icon="links" onClick=${() => setOpen(true)}>Join others<//>`;
}

const MEMBER_COLUMNS = [
  { key: "name", title: "Member", width: 140, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("nodes", row.id)} title=${row.id}>${nodeNames.get(row.id) ?? row.name ?? row.id}</a> ${row.self && html`<${Chip}>this<//>`}` },
  { key: "status", title: "State", width: 100, rank: 0, cell: (/** @type {any} */ row) => html`<${State} value=${row.status} />` },
  { key: "since", title: "Since", width: 110, rank: 3, cell: (/** @type {any} */ row) => html`<${Ago} at=${row.since_at} />` },
  { key: "addr", title: "Address", width: 150, rank: 4, cell: (/** @type {any} */ row) => html`<span class="mono small">${row.addr}</span>` },
  { key: "suspected_by", title: "Suspected by", width: 130, rank: 2, cell: (/** @type {any} */ row) => (row.suspected_by?.length ? row.suspected_by.map((/** @type {string} */ id, /** @type {number} */ at) => html`${at ? ", " : ""}<${NodeLink} id=${id} />`) : html`<span class="faint">nobody</span>`) },
  { key: "incarnation", title: "Incarnation", width: 96, align: /** @type {"end"} */ ("end"), rank: 6, cell: (/** @type {any} */ row) => row.incarnation ?? "–" },
  { key: "rtt", title: "Round trip", width: 92, align: /** @type {"end"} */ ("end"), rank: 2, cell: (/** @type {any} */ row) => duration(row.rtt_s) },
  { key: "heard", title: "Heard", width: 92, align: /** @type {"end"} */ ("end"), rank: 3, cell: (/** @type {any} */ row) => duration(row.last_heard_s) },
  { key: "names", title: "Names", width: 80, align: /** @type {"end"} */ ("end"), rank: 5, cell: (/** @type {any} */ row) => count(row.names) },
  { key: "version", title: "Version", width: 84, rank: 7, cell: (/** @type {any} */ row) => row.version ?? "" },
];

const COMINGS = 5;

/** Who joined, left, was suspected or died lately. */
function Comings() {
  const { rows, loaded } = useLive({ topic: "events", filter: { type: "member.*" }, limit: 50 }).view.value;
  const own = rows.filter((row) => row.type.startsWith("member."));
  return html`<${Panel} title="Came and went" flush actions=${html`<a href=${link("events", "", { kind: "member" })}>All</a>`}>${own.length ? html`<${EventList} events=${own.slice(0, COMINGS)} short />` : html`<p class="pad faint">${loaded ? "No member has come or gone lately." : "Waiting"}</p>`}<//>`;
}

/** Members on a circle and the links between them. @param {{members: any[], links: any[]}} props */
function Picture({ members, links }) {
  if (!members.length || members.length > 60) return html`<p class="faint">${members.length ? "Too many members to draw: see the list." : "No members."}</p>`;
  const [wide, high] = [480, 240];
  const at = (/** @type {number} */ index) => {
    const angle = (index / members.length) * 2 * Math.PI - (members.length === 2 ? Math.PI : Math.PI / 2);
    return members.length === 1 ? [wide / 2, high / 2] : [wide / 2 + Math.cos(angle) * 150, high / 2 - 8 + Math.sin(angle) * 78];
  };
  const place = new Map(members.map((member, index) => [member.id, at(index)]));
  const lines = links.filter((one) => one.state !== "closed" && place.has(one.peer) && place.has(one.node)).map((one) => ({ id: one.id, bad: one.state !== "open", from: place.get(one.node), to: place.get(one.peer) }));
  return html`<svg class="graph" viewBox="0 0 ${wide} ${high}" role="img" aria-label="${members.length} members, ${lines.length} links">
    ${lines.map((line) => html`<line key=${line.id} class=${line.bad ? "bad" : ""} x1=${line.from?.[0]} y1=${line.from?.[1]} x2=${line.to?.[0]} y2=${line.to?.[1]} />`)}
    ${members.map((member, index) => html`<g key=${member.id} class=${member.status}><title>${member.name ?? member.id}: ${member.status}</title><circle cx=${at(index)[0]} cy=${at(index)[1]} r="13" /><text x=${at(index)[0]} y=${at(index)[1] + 30}>${(nodeNames.get(member.id) ?? member.name ?? member.id).slice(0, 22)}</text>${member.status !== "alive" && html`<text class="faint" x=${at(index)[0]} y=${at(index)[1] + 44}>${member.status}</text>`}</g>`)}</svg>`;
}

function Names() {
  const [search, setSearch] = useState("");
  const { data, problem } = useRest("names", { search, limit: 200 }, 5_000);
  if (problem?.status === 404) return null;
  const rows = data?.items ?? [];
  const columns = [
    { key: "name", title: "Name", width: 160, grow: 1, rank: 0, cell: (/** @type {any} */ row) => html`<a class="name" href=${link("actors", row.instances[0]?.actor ?? row.name)}>${row.name.replace(/^actors\//, "")}</a> ${row.conflict && html`<${Chip} tone="bad">conflict<//>`}` },
    { key: "class", title: "Class", width: 150, rank: 2, cell: (/** @type {any} */ row) => className(row.instances[0]?.class) },
    { key: "where", title: "On", width: 180, rank: 1, cell: (/** @type {any} */ row) => row.instances.map((/** @type {any} */ each, /** @type {number} */ at) => html`${at ? ", " : ""}<${NodeLink} id=${each.node} />`) },
  ];
  return html`<${Panel} title="Names" note=${data ? count(data.filtered) : ""} flush actions=${html`<${SearchBox} value=${search} placeholder="Name" onInput=${setSearch} />`}><${Table} label="Names" columns=${columns} rows=${rows} loaded=${Boolean(data)} empty=${html`<p class="pad faint">No actor has a public name.</p>`} /><//>`;
}
