/** The frame around every page: navigation with counts, and a bar that says where, how fresh and who. */
import { logout } from "./api.js";
import { me } from "./actions.js";
import { age, count } from "./format.js";
import { html, signal, useEffect, useState } from "./html.js";
import { Icon } from "./icons.js";
import { paletteOpen } from "./palette.js";
import { Menu, nodeNames } from "./parts.js";
import { link } from "./router.js";
import { channel } from "./stream.js";
import { NAVIGATION, PAGES } from "./text.js";
import { choice, nextTheme } from "./theme.js";

export const navigationOpen = signal(false);

/** Id of the node that lists are narrowed to, or "" for all. */
export const nodeFilter = signal("");

/** @param {any} overview @returns {Record<string, number | undefined>} */
const counts = (overview) => ({
  actors: overview?.totals?.actors, agents: overview?.totals?.agents, queues: overview?.totals?.queues, topics: overview?.totals?.topics,
  "dead-letters": overview?.totals?.dead_letters_total || undefined, nodes: overview?.cluster?.size, links: overview?.totals?.links,
});

/** The checks that fail somewhere, each once however many nodes it fails on, by its worst. @param {any} overview @returns {any[]} */
function failingIn(overview) {
  const rows = [...(overview?.checks ?? [])].sort((one, two) => one.status.localeCompare(two.status));
  return rows.filter((row, index) => rows.findIndex((each) => each.name === row.name) === index);
}

/** Whether what is on a node is to be shown. @param {string} node */
export const isChosen = (node) => !nodeFilter.value || node === nodeFilter.value;

/** In place of a list that is empty on the node that was chosen. */
export const NotThere = () => html`<div class="empty"><h3>None on this node</h3><p>Others may have some.</p><button type="button" class="button" onClick=${() => (nodeFilter.value = "")}>Show all nodes</button></div>`;

/** Narrows lists of what lives on nodes to one of them. @param {{nodes: any[], class: string}} props */
const NodePick = ({ nodes, class: name }) => html`<select class="node-pick ${name}" aria-label="Node" value=${nodeFilter.value} onChange=${(/** @type {any} */ event) => (nodeFilter.value = event.target.value)}>
  <option value="">All nodes</option>${nodes.map((node) => html`<option key=${node.id} value=${node.id}>${nodeNames.get(node.id) ?? node.id}</option>`)}</select>`;

/** @param {{overview: any, nodes: any[], pages: Set<string>, page: string}} props */
export function NavigationBar({ overview, nodes, pages, page }) {
  const numbers = counts(overview);
  const failing = failingIn(overview);
  const bad = new Set(failing.length ? ["health"] : []);
  const tone = failing.some((/** @type {any} */ check) => check.status === "critical") ? "bad" : "warn";
  return html`<nav class="nav ${navigationOpen.value ? "open" : ""}" aria-label="Pages">
    <a class="brand" href=${link("overview")}><img src="icon.svg" alt="" width="24" height="24" /><span>${me.value?.ui?.title ?? "Pulsing"}</span><small>${overview?.cluster?.name ?? ""}</small></a>
    <div class="nav-scroll">${nodes.length > 1 && html`<div class="nav-node only-narrow"><${NodePick} nodes=${nodes} class="" /></div>`}${NAVIGATION.map(([title, names]) => {
      const offered = /** @type {string[]} */ (names).filter((name) => pages.has(name));
      return offered.length > 0 && html`<section key=${title}>${title && html`<h3>${title}</h3>`}<ul>${offered.map((name) => html`<li key=${name}><a href=${link(name)} aria-current=${name === page ? "page" : undefined}
        title="${PAGES[name].about} (g ${PAGES[name].key})"><${Icon} name=${name} size=${17} /><span>${PAGES[name].title}</span>
        ${bad.has(name) ? html`<b class="count ${tone}">${failing.length}</b>` : numbers[name] !== undefined && html`<b class="count ${name === "dead-letters" ? "warn" : ""}">${count(numbers[name])}</b>`}</a></li>`)}</ul></section>`;
    })}</div>
    <div class="nav-foot faint">${me.value && html`<span title=${me.value.node?.id}>${me.value.node?.name}</span><span>v${me.value.version}</span>`}</div></nav>
    ${navigationOpen.value && html`<div class="veil" onClick=${() => (navigationOpen.value = false)}></div>`}`;
}

/** @param {{overview: any, nodes: any[], onHelp: () => void}} props */
export function TopBar({ overview, nodes, onHelp }) {
  const failing = failingIn(overview);
  return html`<header class="top">
    <button type="button" class="button ghost icon-only only-narrow" aria-label="Pages" aria-expanded=${navigationOpen.value} onClick=${() => (navigationOpen.value = !navigationOpen.value)}><${Icon} name="menu" size=${18} /></button>
    <button type="button" class="jump" onClick=${() => (paletteOpen.value = true)}><${Icon} name="search" size=${15} /><span>Go to…</span><kbd>Ctrl K</kbd></button>
    <span class="grow"></span>
    ${failing.length > 0 && html`<a class="chip ${failing.some((/** @type {any} */ each) => each.status === "critical") ? "bad" : "warn"}" href=${link("health")} title=${failing.map((/** @type {any} */ each) => each.name).join(", ")}><${Icon} name="warn" size=${13} />${failing.length} <span class="wide-only">${failing.length === 1 ? "check" : "checks"}</span></a>`}
    ${me.value?.read_only && html`<span class="chip warn" title="admin.read_only refuses every action"><${Icon} name="eye" size=${13} /><span class="wide-only">read-only</span></span>`}
    ${nodes.length > 1 && html`<${NodePick} nodes=${nodes} class="wide-only" />`}
    <${Freshness} />
    <button type="button" class="button ghost icon-only" title="Theme: ${choice.value}" aria-label="Theme: ${choice.value}" onClick=${nextTheme}><${Icon} name=${{ light: "sun", dark: "moon" }[choice.value] ?? "auto"} /></button>
    <${Menu} class="button ghost" title="You" label=${html`<${Icon} name="key" /><span class="wide-only">${me.value?.role ?? ""}</span>`}>
      <p class="pop-title">${me.value?.name ?? "You"}<small>${me.value?.role}</small></p>
      <button type="button" data-close onClick=${onHelp}><${Icon} name="help" />Keyboard help</button>
      <button type="button" data-close onClick=${() => navigator.clipboard.writeText(location.href).catch(() => {})}><${Icon} name="copy" />Copy link to this view</button>
      <button type="button" data-close onClick=${logout}><${Icon} name="out" />Log out</button><//>
  </header>`;
}

const WORDS = { live: "live", polling: "polling", connecting: "connecting", lost: "no connection", paused: "paused" };
const TONES = { live: "good", polling: "warn", connecting: "mute", lost: "bad", paused: "mute" };

/** Whether data is too old to be trusted, and how old it is where that is worth saying; the node says something every
 * 5 s even if nothing changes. @param {{state: string, at: number, tick: number}} channel @param {number} now */
function freshness({ state, at, tick }, now) {
  const old = at ? Math.max(0, (now - at) / 1000) : 0;
  const stale = state === "lost" || (at > 0 && old > 3 * tick + 5);
  return { stale, shown: at && (stale || state !== "live") ? age(old) : "" };
}

/** The live dot with the age of the data; dims the page when that is too old. */
function Freshness() {
  const [, setLook] = useState("");
  useEffect(() => {
    // Drawn again only when it would look different: a page whose data is fresh has nothing to do between ticks.
    const timer = setInterval(() => setLook(JSON.stringify(freshness(channel.peek(), Date.now()))), 1000);
    return () => clearInterval(timer);
  }, []);
  const { state, tick, note } = channel.value;
  const { stale, shown } = freshness(channel.value, Date.now());
  useEffect(() => {
    document.documentElement.classList.toggle("stale", stale);
  }, [stale]);
  return html`<span class="fresh ${stale ? "bad" : TONES[state]}" role="status" title=${note || `updates every ${tick} s${shown && `; the data is ${shown} old`}`}>
    <i aria-hidden="true"></i><span class="fresh-word">${stale && state === "live" ? "stale" : WORDS[state]}</span><b>${shown}</b></span>`;
}
