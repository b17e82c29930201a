/** A menu that saves a whole list of the server, page by page, as CSV or JSON. */
import { failed } from "./actions.js";
import { request } from "./api.js";
import { csv } from "./csv.js";
import { download } from "./download.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { Menu } from "./parts.js";

const MOST = 10_000;
const PAGE = 1000;

/** Up to 10,000 rows of a list. @param {string} path @param {Record<string, any>} query */
async function allRows(path, query) {
  /** @type {any[]} */
  const items = [];
  for (let cursor = ""; items.length < MOST;) {
    const page = await request("GET", path, { query: { ...query, limit: PAGE, cursor } });
    items.push(...page.items);
    cursor = page.next;
    if (!cursor) break;
  }
  return items;
}

/** @param {{path: string, query: Record<string, any>, name: string}} props */
export function SaveMenu({ path, query, name }) {
  const save = (/** @type {"json" | "csv"} */ kind) => () => allRows(path, query).then((items) => {
    if (kind === "json") download(`${name}.json`, JSON.stringify(items, null, 2), "application/json");
    else download(`${name}.csv`, csv(items), "text/csv");
  }, failed);
  return html`<${Menu} class="button ghost icon-only" title="Download the filtered list" label=${html`<${Icon} name="save" />`}>
    <button type="button" data-close onClick=${save("csv")}>CSV</button><button type="button" data-close onClick=${save("json")}>JSON</button><//>`;
}
