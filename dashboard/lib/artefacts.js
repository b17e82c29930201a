/** What the node makes for Prometheus and Grafana, as files to save or addresses to copy. */
import { failed } from "./actions.js";
import { problemOf, send, url } from "./api.js";
import { toast } from "./dialog.js";
import { download } from "./download.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { Menu } from "./parts.js";

const BOARDS = ["overview", "actors", "streaming", "cluster"];

/** @param {string} name @param {string} path @param {Record<string, string>} [query] */
async function save(name, path, query) {
  const answer = await send("GET", path, { query });
  if (!answer.ok) throw await problemOf(answer);
  download(name, await answer.text(), answer.headers.get("content-type") ?? "text/plain");
}

/** @param {string} name @param {string} path @param {Record<string, string>} [query] */
const saves = (name, path, query) => () => save(name, path, query).catch(failed);

const copyDiscovery = () => navigator.clipboard.writeText(url("prometheus/sd").href).then(
  () => toast("good", "Copied the address of the targets", "it lists every node of the cluster for http_sd_configs"),
  () => toast("bad", "This browser does not allow copying here"),
);

export const Artefacts = () => html`<${Menu} class="button" title="Files for Prometheus and Grafana" label=${html`<${Icon} name="save" size=${14} />For Prometheus<${Icon} name="down" size=${12} />`}>
  <button type="button" data-close onClick=${copyDiscovery}>Copy the address of the targets</button>
  <button type="button" data-close onClick=${saves("scrape.yml", "prometheus/scrape.yml")}>Scrape job</button>
  <button type="button" data-close onClick=${saves("alerts.yml", "prometheus/alerts.yml")}>Alert rules</button>
  ${BOARDS.map((board) => html`<button key=${board} type="button" data-close onClick=${saves(`grafana-${board}.json`, "prometheus/grafana.json", { dashboard: board })}>Grafana: ${board}</button>`)}<//>`;
