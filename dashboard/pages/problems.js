/** What needs somebody now: failing, stuck, slow and lost, each with the way to its cause. */
import { count } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Ago, Partial, ProblemBox, Runbook, Skeleton } from "../lib/parts.js";
import { setQuery } from "../lib/router.js";
import { useLive, useRest } from "../lib/stream.js";
import { troubles } from "../lib/troubles.js";

const KINDS = /** @type {Array<[import("../lib/troubles.js").Kind, string]>} */ ([["failing", "Failing"], ["stuck", "Stuck"], ["slow", "Slow"], ["lost", "Lost"]]);
const WAITING = { topic: "actors", sort: "-mailbox_oldest_s", limit: 20, offset: 0 };

/** @param {{query: Record<string, string>}} props */
export default function Problems({ query }) {
  const overview = useLive({ topic: "overview" }).view.value;
  const rows = (/** @type {import("../lib/stream.js").Spec} */ spec) => useLive(spec).view.value.rows;
  const waiting = rows(WAITING);
  const restarting = rows({ topic: "actors", filter: { state: "restarting" }, sort: "name", limit: 50, offset: 0 });
  const [nodes, queues, topics, links] = ["nodes", "queues", "topics", "links"].map((topic) => rows({ topic, limit: 200 }));
  const { data: members } = useRest("cluster/members", { limit: 1000 }, 2_000);
  const { data: checks } = useRest("health/checks", { limit: 100 }, 5_000);
  if (!overview.loaded) return html`<${Skeleton} lines=${8} />`;
  const found = troubles({ overview: overview.rows[0], nodes, waiting, restarting, queues, topics, links, members: members?.items, checks: checks?.items });
  const shown = found.filter((one) => !query.kind || one.kind === query.kind);
  return html`<div class="page-head"><div><h1>Problems</h1><p>${found.length ? `${count(found.length)} ${found.length === 1 ? "thing needs" : "things need"} attention` : "Nothing needs attention"}</p></div></div>
    <div class="chips" role="group" aria-label="Kind">${KINDS.map(([kind, title]) => html`<button key=${kind} type="button" class="chip" aria-pressed=${kind === query.kind} onClick=${() => setQuery({ kind: kind === query.kind ? "" : kind })}>${title} <b>${found.filter((one) => one.kind === kind).length}</b></button>`)}</div>
    <${Partial} view=${overview} /><${ProblemBox} problem=${overview.problem} />
    <section class="panel">${shown.length ? html`<${TroubleList} troubles=${shown} full />` : html`<div class="empty"><div class="empty-mark good"><${Icon} name="health" size=${22} /></div><h2>${query.kind ? "Nothing of this kind" : "All is well"}</h2><p>Checks that fail, actors that wait or restart, methods that raise or take long, readers that fall behind and messages that reached nobody appear here.</p></div>`}</section>`;
}

/** @param {{troubles: import("../lib/troubles.js").Trouble[], full?: boolean}} props */
export const TroubleList = ({ troubles: found, full }) => html`<ul class="troubles">${found.map((one) => html`<li key=${one.what + one.why}><span class="state ${one.tone}"><i class="shape ${one.tone === "bad" ? "cross" : "triangle"}" aria-hidden="true"></i>${one.kind}</span>
  <div><p><a href=${one.to}>${one.what}</a> <span>${one.why}</span></p>${full && html`<${Runbook} runbook=${one.runbook} />`}</div>${one.since ? html`<${Ago} at=${one.since} />` : html`<span></span>`}</li>`)}</ul>`;
