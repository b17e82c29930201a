/** What runs here: versions, addresses, and the licences of what this page is made of. */
import { me } from "../lib/actions.js";
import { url } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/html.js";
import { Code, Facts, Panel } from "../lib/parts.js";
import { link } from "../lib/router.js";

export default function About() {
  const [vendored, setVendored] = useState(/** @type {string[][]} */ ([]));
  useEffect(() => void fetch("vendor/VERSIONS.txt").then((answer) => answer.text()).then((text) => setVendored(text.trim().split("\n").slice(1).map((line) => line.split("\t"))), () => {}), []);
  const who = me.value;
  const packages = [...new Map(vendored.map(([, name, version, licence]) => [name, [name, `${version} · ${licence}`]])).values()];
  const licences = vendored.filter(([file]) => file.startsWith("LICENSE"));
  return html`<div class="page-head"><div><h1>About</h1><p>Pulsing ${who?.version ?? ""}, Apache-2.0</p></div></div>
    <div class="grid"><${Panel} class="w6" title="Here"><${Facts} items=${[["Version", who?.version], ["Cluster", who?.cluster], ["Node", who?.node && html`<a href=${link("nodes", who.node.id)}>${who.node.name}</a>`], ["You are", who && `${who.name} (${who.role})`], ["Logged in by", who?.source], ["Payloads", who?.payloads], ["Read-only", who?.read_only ? "yes" : "no"]]} /><//>
      <${Panel} class="w6" title="This page is made of" note="nothing is loaded from elsewhere"><${Facts} items=${packages} /><p class="small row licences">${licences.map(([file, name]) => html`<a key=${file} href="vendor/${file}">licence of ${name}</a> `)}</p><//>
      <${Panel} class="w6" title="REST"><div class="stack"><p>The same data as JSON; all routes are on the page <a href=${link("api")}>API</a>.</p><${Code} text=${`curl -H "X-Pulsing-Token: $PULSING_ADMIN_TOKEN" \\\n  ${url("actors", { limit: 5 }).href}`} /></div><//>
      <${Panel} class="w6" title="Prometheus"><div class="stack"><p>Each node answers for itself:</p><${Code} text=${`curl -H "Authorization: Bearer $PULSING_ADMIN_TOKEN" \\\n  ${url("../../metrics").href}`} /></div><//></div>`;
}
