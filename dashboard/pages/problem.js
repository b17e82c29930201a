/** One type of problem that REST answers with: what it means, and what to do. */
import { html } from "../lib/html.js";
import { Empty, Facts, Panel, ProblemBox, Skeleton } from "../lib/parts.js";
import { link } from "../lib/router.js";
import { useRest } from "../lib/stream.js";

/** @param {{id: string}} props */
export default function Problem({ id }) {
  const { data, problem, loaded } = useRest("openapi.json");
  if (!loaded) return html`<${Skeleton} lines=${4} />`;
  if (problem) return html`<${ProblemBox} problem=${problem} />`;
  const types = data?.["x-problems"] ?? {};
  if (!Object.hasOwn(types, id)) return html`<${Empty} name="problems"><p>No type of problem is called ${id}. <a href=${link("problems")}>What needs attention</a></p><//>`;
  const { title, status, code, remedy } = types[id];
  return html`<div class="page-head"><div><h1>${title}</h1><p>REST answers with <code>/problems/${id}</code></p></div></div>
    <${Panel} title="What to do"><p>${remedy}</p><//>
    <${Panel} title="How it is told"><${Facts} items=${[["Status", status], ["Code", code]]} /><//>`;
}
