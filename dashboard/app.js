/** The page as a whole: who is logged in, what this node offers, which page is open. */
import { logout, session, get } from "./lib/api.js";
import { me, whyNotFor } from "./lib/actions.js";
import { Confirmation, Modal, Toasts, withdraw } from "./lib/dialog.js";
import { computed, html, render, useEffect, useMemo, useState } from "./lib/html.js";
import { claim, startKeys } from "./lib/keys.js";
import { learn, routes } from "./lib/offers.js";
import { Palette, paletteOpen } from "./lib/palette.js";
import { Skeleton, nodeNames } from "./lib/parts.js";
import { go, link, route, startRouter } from "./lib/router.js";
import { NavigationBar, TopBar, navigationOpen } from "./lib/shell.js";
import { channel, now, startStream, useLive } from "./lib/stream.js";
import { KEYS, PAGES } from "./lib/text.js";
import { remember } from "./lib/trail-seen.js";
import { nextTheme, offerTheme, startTheme } from "./lib/theme.js";
import { Login, takeCode } from "./pages/login.js";

/** Pages load when they are first opened. @type {Record<string, [() => Promise<any>, (() => Promise<any>)?]>} list and detail */
const MODULES = {
  overview: [() => import("./pages/overview.js")],
  actors: [() => import("./pages/actors.js"), () => import("./pages/actor.js")],
  agents: [() => import("./pages/agents.js")],
  classes: [() => import("./pages/classes.js"), () => import("./pages/class.js")],
  queues: [() => import("./pages/queues.js"), () => import("./pages/queue.js")],
  topics: [() => import("./pages/topics.js"), () => import("./pages/topic.js")],
  "dead-letters": [() => import("./pages/dead-letters.js")],
  nodes: [() => import("./pages/nodes.js"), () => import("./pages/node.js")],
  cluster: [() => import("./pages/cluster.js")],
  links: [() => import("./pages/links.js")],
  events: [() => import("./pages/events.js")],
  problems: [() => import("./pages/problems.js"), () => import("./pages/problem.js")],
  health: [() => import("./pages/health.js")],
  metrics: [() => import("./pages/metrics.js")],
  audit: [() => import("./pages/audit.js")],
  config: [() => import("./pages/config.js")],
  api: [() => import("./pages/api.js")],
  about: [() => import("./pages/about.js")],
};

/** What each page reads first: without it the page is not offered. */
const NEEDS = {
  overview: "/overview", actors: "/actors", agents: "/agents", classes: "/classes", queues: "/queues", topics: "/topics",
  "dead-letters": "/dead-letters", nodes: "/nodes", cluster: "/cluster", links: "/links", events: "/events",
  problems: "/overview", health: "/health/checks", metrics: "/overview", audit: "/audit", config: "/config", api: "/openapi.json", about: "/whoami",
};
const ADMIN_ONLY = new Set(["audit", "config"]);

const offered = computed(() => new Set(Object.keys(NEEDS).filter((page) => routes.value.has(`GET ${NEEDS[page]}`) && !whyNotOpen(page))));

/** Why a page is not for the reader, or "" when it is. @param {string} page */
const whyNotOpen = (page) => (ADMIN_ONLY.has(page) ? whyNotFor("admin") : "");

async function introduce() {
  const [who, index] = await Promise.all([get("whoami").catch(() => null), get("").catch(() => null)]);
  me.value = who;
  offerTheme(who?.ui?.theme);
  if (index) learn(index);
}

/** @type {Map<string, any>} */
const loaded = new Map();

/** A page that could not be loaded is tried again as soon as the node answers. */
const connected = computed(() => channel.value.state === "live");

/** @param {{page: string, id: string, query: Record<string, string>}} props */
function Page({ page, id, query }) {
  const load = MODULES[page]?.[id ? 1 : 0] ?? MODULES[page]?.[0];
  const name = `${page}${id ? "/" : ""}`;
  const [{ missed }, setState] = useState({ missed: "" });
  const live = connected.value, title = me.value?.ui?.title ?? "Pulsing";
  useEffect(() => {
    if (load && !loaded.has(name)) load().then((module) => (loaded.set(name, module.default), setState({ missed: "" })), () => setState({ missed: name }));
    document.title = `${id ? `${id} · ` : ""}${PAGES[page]?.title ?? "Not found"} · ${title}`;
  }, [name, id, live, title]);
  if (!load) return html`<${NotFound} />`;
  const closed = whyNotOpen(page);
  if (closed) return html`<div class="empty"><h3>${PAGES[page].title} is for administrators</h3><p>It ${closed}.</p></div>`;
  const Content = loaded.get(name);
  return Content ? html`<${Content} key=${name + id} id=${id} query=${query} />` : missed === name ? html`<${Unloaded} />` : html`<${Skeleton} lines=${10} />`;
}

const NotFound = () => html`<div class="empty"><h3>No such page</h3><p><a href=${link("overview")}>Go to the overview</a></p></div>`;

const Unloaded = () => html`<div class="empty"><h3>This page could not be loaded</h3><p>The node did not answer. <a href="." onClick=${() => location.reload()}>Load again</a></p></div>`;

/** Nodes of one host may share a name: those are told apart by the head of their id. @param {any[]} nodes */
function nameNodes(nodes) {
  for (const { id, name } of nodes) {
    const shared = nodes.some((other) => other.id !== id && other.name === name);
    nodeNames.set(id, name && !shared ? name : `${name ? `${name}·` : ""}${id.slice(0, 4)}`);
  }
}

function Shell() {
  const overview = useLive({ topic: "overview" });
  const nodes = useLive({ topic: "nodes", limit: 200 });
  const [help, setHelp] = useState(false);
  useEffect(() => void introduce(), []);
  useEffect(() => claim({
    "/": () => /** @type {HTMLElement | null} */ (document.querySelector("[data-search]"))?.focus(),
    "Ctrl-k": () => (paletteOpen.value = !paletteOpen.value),
    "?": () => setHelp(true),
    Escape: () => (navigationOpen.value = false),
  }), []);
  nameNodes(nodes.view.value.rows);
  const where = route.value;
  // The frame changes with each tick; the page, which has its own data, only when it is another or nodes have new names.
  const page = useMemo(() => html`<${Page} ...${where} />`, [where, JSON.stringify([...nodeNames])]);
  useEffect(() => {
    navigationOpen.value = false;
    withdraw();
    document.querySelector("main")?.scrollTo(0, 0);
  }, [where.page, where.id]);
  const actions = [
    { icon: "plus", title: "Spawn an actor", note: "action", run: () => go(link("actors", "", { spawn: "1" })) },
    { icon: "auto", title: "Change the theme", note: "action", run: nextTheme },
    { icon: "help", title: "Keyboard help", note: "action", run: () => setHelp(true) },
    { icon: "out", title: "Log out", note: "action", run: logout },
  ];
  const summary = overview.view.value.rows[0];
  const beat = now.value;
  useEffect(() => remember(summary, beat), [beat, Boolean(summary)]);
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => (event.preventDefault(), /** @type {HTMLElement | null} */ (document.querySelector("main"))?.focus())}>Skip to the content</a>
    <${NavigationBar} overview=${summary} nodes=${nodes.view.value.rows} pages=${offered.value} page=${where.page} />
    <${TopBar} overview=${summary} nodes=${nodes.view.value.rows} onHelp=${() => setHelp(true)} />
    <main id="main" tabindex="0">${page}</main>
    ${paletteOpen.value && html`<${Palette} pages=${offered.value} actions=${actions} />`}
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
  </div>`;
}

/** @param {{onClose: () => void}} props */
const Help = ({ onClose }) => html`<${Modal} title="Keyboard" onClose=${onClose}><div class="keys">
  <dl>${KEYS.map(([keys, what]) => html`<div><dt><kbd>${keys}</kbd></dt><dd>${what}</dd></div>`)}</dl>
  <dl>${[...offered.value].map((page) => html`<div><dt><kbd>g</kbd> <kbd>${PAGES[page].key}</kbd></dt><dd>${PAGES[page].title}</dd></div>`)}</dl></div><//>`;

function App() {
  const who = session.value;
  return html`${who ? html`<${Shell} key=${who.token} />` : html`<${Login} />`}<${Confirmation} /><${Toasts} />`;
}

startTheme();
startRouter();
startKeys();
// A link that is pasted where the dashboard is open already changes the address alone.
addEventListener("hashchange", takeCode);
takeCode().finally(() => {
  startStream();
  render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
});
