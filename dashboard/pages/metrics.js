/** Every metric family of the answering node: what it means, its labels, its value, and the PromQL to ask for it. */
import { Artefacts } from "../lib/artefacts.js";
import { Problem, part, problemOf, send } from "../lib/api.js";
import { count, exact } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/html.js";
import { Chip, CopyButton, ProblemBox, SearchBox, Skeleton } from "../lib/parts.js";
import { setQuery } from "../lib/router.js";

/** @typedef {{name: string, type: string, help: string, series: Array<{labels: string, value: number}>}} Family */

/** The text format of Prometheus as families. @param {string} text @returns {Family[]} */
export function families(text) {
  /** @type {Map<string, Family>} */
  const found = new Map();
  const family = (/** @type {string} */ name) => found.get(name) ?? found.set(name, { name, type: "untyped", help: "", series: [] }).get(name);
  for (const line of text.split("\n")) {
    const about = line.match(/^# (HELP|TYPE) (\S+) ?(.*)$/);
    if (about) Object.assign(/** @type {Family} */ (family(about[2])), about[1] === "HELP" ? { help: about[3] } : { type: about[3] });
    const sample = line.match(/^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/);
    if (!sample || line.startsWith("#")) continue;
    const base = found.has(sample[1]) ? sample[1] : sample[1].replace(/_(bucket|sum|count|created)$/, "");
    if (sample[1].endsWith("_created")) continue;
    family(base)?.series.push({ labels: (sample[1] === base ? "" : sample[1].slice(base.length)) + (sample[2] ?? ""), value: Number(sample[3]) });
  }
  return [...found.values()].filter((each) => each.series.length);
}

/** @param {Family} family */
function promql({ name, type }) {
  if (type === "counter") return `sum(rate(${name}[5m]))`;
  return type === "histogram" ? `histogram_quantile(0.99, sum by (le) (rate(${name}_bucket[5m])))` : `sum(${name})`;
}

/** @param {{query: Record<string, string>}} props */
export default function Metrics({ query }) {
  const [all, setAll] = useState(/** @type {Family[] | null} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const load = async () => {
      const answer = await send("GET", "../../metrics", { accept: "text/plain" });
      if (!answer.ok) throw await problemOf(answer);
      setAll(families(await answer.text()));
    };
    const attempt = () => load().catch((error) => setProblem(error instanceof Problem ? error.body : { detail: String(error) }));
    attempt();
    const timer = setInterval(() => !document.hidden && attempt(), 5_000);
    return () => clearInterval(timer);
  }, []);
  const text = (query.search ?? "").toLowerCase();
  const shown = (all ?? []).filter((family) => !text || `${family.name} ${family.help}`.toLowerCase().includes(text));
  const series = shown.reduce((sum, family) => sum + family.series.length, 0);
  const capped = all?.find((family) => family.name === "pulsing_metrics_capped_total")?.series.reduce((sum, each) => sum + each.value, 0) ?? 0;
  return html`<div class="page-head"><div><h1>Metrics</h1><p>${all ? `${shown.length} families, ${exact(series)} series on this node` : " "}</p></div><div class="toolbar">${capped > 0 && html`<${Chip} tone="warn" title="Label values beyond the caps of metrics.max_* count under _other">${count(capped)} capped<//>`}<${Artefacts} /></div></div>
    <div class="toolbar"><${SearchBox} value=${query.search ?? ""} placeholder="Name or meaning" onInput=${(/** @type {string} */ search) => setQuery({ search })} /></div>
    <${ProblemBox} problem=${problem} />
    ${!all ? !problem && html`<${Skeleton} lines=${10} />` : html`<section class="panel"><ul class="families">${shown.map((family) => html`<${FamilyLine} key=${family.name} family=${family} />`)}</ul></section>`}`;
}

const SHOWN = 60;

/** @param {{family: Family}} props */
function FamilyLine({ family }) {
  const single = family.series.length === 1 ? exact(family.series[0].value) : `${family.series.length} series`;
  return html`<li><details><summary><span class="mono">${family.name}</span><${Chip}>${family.type}<//><span class="faint cut">${family.help}</span><b>${single}</b></summary>
    <div class="stack"><div class="row"><code>${promql(family)}</code><${CopyButton} text=${promql(family)} label="Copy PromQL" /></div>
      <ul class="series mono">${family.series.slice(0, SHOWN).map((each) => html`<li key=${part(each.labels)}><span>${each.labels || "–"}</span><b>${exact(each.value)}</b></li>`)}${family.series.length > SHOWN && html`<li class="faint">${family.series.length - SHOWN} more</li>`}</ul></div></details></li>`;
}
