/** Small pieces that every page is made of: states, times, fields, empty places, notices. */
import { actorName, ago, className, clock, exact, moment, NONE } from "./format.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";
import { link } from "./router.js";
import { now } from "./stream.js";
import { EMPTY_STATES } from "./text.js";

/** Colour and shape of every state word: a reader without colours sees the shape and the word. @type {Record<string, [string, string]>} */
const STATES = {
  running: ["good", "dot"], alive: ["good", "dot"], ok: ["good", "dot"], open: ["good", "dot"], idle: ["good", "dot"], waiting: ["good", "dot"],
  busy: ["busy", "ring"], reading: ["busy", "ring"], starting: ["busy", "half"], moving: ["busy", "half"], joining: ["busy", "half"],
  restarting: ["warn", "triangle"], suspect: ["warn", "triangle"], slow: ["warn", "triangle"], degraded: ["warn", "triangle"], redialling: ["warn", "triangle"], warn: ["warn", "triangle"], refused: ["warn", "triangle"],
  stopping: ["mute", "half"], leaving: ["mute", "half"], stopped: ["mute", "square"], left: ["mute", "square"], closed: ["mute", "square"], off: ["mute", "square"],
  failed: ["bad", "cross"], dead: ["bad", "cross"], failing: ["bad", "cross"], unavailable: ["bad", "cross"], critical: ["bad", "cross"],
};

/** @param {{value: string | null | undefined}} props */
export function State({ value }) {
  const [tone, shape] = STATES[value ?? ""] ?? ["mute", "dot"];
  return html`<span class="state ${tone}"><i class="shape ${shape}" aria-hidden="true"></i>${value ?? NONE}</span>`;
}

/** @param {{tone?: string, title?: string, children?: any}} props */
export const Chip = ({ tone = "", title, children }) => html`<span class="chip ${tone}" title=${title}>${children}</span>`;

/** Relative, exact on hover, and counted on while data is fresh. @param {{at?: string | null}} props */
export const Ago = ({ at }) => html`<time datetime=${at ?? undefined} title=${moment(at)}>${ago(at, now.value)}</time>`;

/** @param {{at?: string | null}} props */
export const Clock = ({ at }) => html`<time class="mono" datetime=${at ?? undefined} title=${moment(at)}>${clock(at)}</time>`;

/** @param {{value: any, as: (value: any) => string, metric?: string, zero?: string}} props */
export function Num({ value, as, metric, zero }) {
  const text = as(value);
  // All digits of what is shown in short; of a rate they would say nothing.
  const full = Number.isInteger(value) && !text.startsWith(String(value)) ? exact(value) : "";
  return html`<span class="num ${value === 0 ? zero ?? "zero" : ""}" title=${[full, metric].filter(Boolean).join(" · ") || undefined}>${text}</span>`;
}

/** @param {{row: any}} props */
export const ActorLink = ({ row }) => html`<a class="name" href=${link("actors", row.id ?? row.name)} title=${row.name ?? row.id}>${actorName(row)}</a>`;

/** @param {{path?: string | null}} props */
export const ClassLink = ({ path }) => (path ? html`<a class="quiet" href=${link("classes", path)} title=${path}>${className(path)}</a>` : NONE);

/** @param {{id?: string | null}} props */
export const NodeLink = ({ id }) => (id ? html`<a class="quiet" href=${link("nodes", id)} title=${id}>${nodeNames.get(id) ?? id.slice(0, 8)}</a>` : NONE);

/** Names of nodes as the shell learns them, so that rows can show a name for an id. @type {Map<string, string>} */
export const nodeNames = new Map();

/** Tags; with `onPick` each narrows the list to those that have it, as `key:value`. @param {{tags?: Record<string, string> | null, onPick?: (tag: string) => void}} props */
export const Tags = ({ tags, onPick }) => html`<span class="tags">${Object.entries(tags ?? {}).map(([key, value]) => (onPick
  ? html`<button key=${key} type="button" class="tag" title="Only those with ${key}=${value}" onClick=${() => onPick(`${key}:${value}`)}><b>${key}</b>${value}</button>`
  : html`<span key=${key} class="tag" title="${key}=${value}"><b>${key}</b>${value}</span>`))}</span>`;

/** @param {{name: string, children?: any}} props */
export function Empty({ name, children }) {
  const { title, hint, code } = EMPTY_STATES[name] ?? { title: "Nothing here", hint: "" };
  return html`<div class="empty"><div class="empty-mark"><${Icon} name=${name} size=${22} /></div><h2>${title}</h2><p>${hint}</p>
    ${code && html`<${Code} text=${code} />`}${children}</div>`;
}

/** @param {{text: string}} props */
export function Code({ text }) {
  return html`<div class="code"><pre tabindex="0">${text}</pre><${CopyButton} text=${text} /></div>`;
}

/** @param {{text: string, label?: string}} props */
export function CopyButton({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    const timer = done ? setTimeout(() => setDone(false), 1500) : undefined;
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => navigator.clipboard.writeText(text).then(() => setDone(true), () => {});
  return html`<button type="button" class="button ghost small copy" onClick=${copy} title=${label || "Copy"} aria-label=${label || "Copy"}><${Icon} name="copy" size=${14} />${done ? "Copied" : label}</button>`;
}

/** The types of problems that have a page: those made here, for want of an answer, have none. */
const TYPE = /^\/problems\/(?!unreachable$|http-)/;

/** What went wrong, in the server's words, with its hint. @param {{problem: any, children?: any}} props */
export function ProblemBox({ problem, children }) {
  if (!problem) return null;
  return html`<div class="notice bad" role="alert"><${Icon} name="warn" /><div><b>${problem.detail || problem.title}</b>
    ${problem.hint && html`<p>${problem.hint}</p>`}
    ${(problem.errors ?? []).filter((/** @type {any} */ each) => !problem.detail?.includes(each.msg)).map((/** @type {any} */ each) => html`<p class="mono">${(each.loc ?? []).slice(1).join(".")}: ${each.msg}</p>`)}
    ${problem.trace_id && html`<p class="faint mono">trace ${problem.trace_id}</p>`}
    ${TYPE.test(problem.type) && html`<p><a href=${link("problems", problem.type.replace(TYPE, ""))}>What this means</a></p>`}${children}</div></div>`;
}

/** Says which nodes did not answer. @param {{view: any}} props */
export const Partial = ({ view }) => view.partial && html`<div class="notice warn" role="status"><${Icon} name="warn" /><div><b>Some nodes did not answer.</b>
  ${view.errors.map((/** @type {any} */ each) => html`<p>${nodeNames.get(each.node) ?? each.node}: ${each.detail}</p>`)}</div></div>`;

/** What a failing check means, where to look and what helps. @param {{runbook?: {meaning: string, look?: string[], fix?: string} | null}} props */
export const Runbook = ({ runbook }) => (runbook ? html`<div class="runbook"><p>${runbook.meaning}</p>${(runbook.look ?? []).map((command) => html`<p key=${command} class="row"><code>${command}</code><${CopyButton} text=${command} label="" /></p>`)}<p>${runbook.fix}</p></div>` : null);

/** @param {{lines?: number}} props */
export const Skeleton = ({ lines = 6 }) => html`<div class="skeleton" aria-label="Loading" role="status">${Array.from({ length: lines }, (_, i) => html`<i key=${i}></i>`)}</div>`;

/** A panel with a title line. @param {{title?: any, note?: any, actions?: any, class?: string, flush?: boolean, children?: any}} props */
export const Panel = ({ title, note, actions, class: name = "", flush, children }) => html`<section class="panel ${name}">
  ${title && html`<header><h2>${title}</h2>${note && html`<span class="faint">${note}</span>`}<span class="grow"></span>${actions}</header>`}
  <div class=${flush ? "" : "pad"}>${children}</div></section>`;

/** A definition list in columns; empty values are shown as a dash. @param {{items: Array<[string, any, string?]>}} props */
export const Facts = ({ items }) => html`<dl class="facts">${items.map(([name, value, title]) => html`<div title=${title}><dt>${name}</dt><dd>${value ?? NONE}</dd></div>`)}</dl>`;

/** @param {{value: string, onInput: (text: string) => void, placeholder?: string}} props */
export const SearchBox = ({ value, onInput, placeholder = "Search" }) => html`<label class="search"><${Icon} name="search" size=${15} />
  <input type="search" data-search value=${value} placeholder=${placeholder} aria-label=${placeholder} onInput=${(/** @type {any} */ event) => onInput(event.target.value)} /><kbd>/</kbd></label>`;

/** One of several, as buttons. @param {{options: Array<[string, any]>, value: string, onChange: (value: string) => void, label: string}} props */
export const Segments = ({ options, value, onChange, label }) => html`<div class="segments" role="group" aria-label=${label}>
  ${options.map(([key, text]) => html`<button type="button" aria-pressed=${key === value} onClick=${() => onChange(key)}>${text}</button>`)}</div>`;

/** @param {{tabs: Array<[string, any]>, value: string, onChange: (value: string) => void}} props */
export function Tabs({ tabs, value, onChange }) {
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = tabs.findIndex(([key]) => key === value);
    const to = (at + step + tabs.length) % tabs.length;
    onChange(tabs[to][0]);
    /** @type {HTMLElement | undefined} */ (bar.current?.children[to])?.focus();
  };
  return html`<div class="tabs" role="tablist" ref=${bar} onKeyDown=${move}>${tabs.map(([key, text]) => html`<button type="button" role="tab"
    aria-selected=${key === value} tabindex=${key === value ? 0 : -1} onClick=${() => onChange(key)}>${text}</button>`)}</div>`;
}

/** A button whose pop-up closes on Escape and on a click elsewhere. @param {{label: any, title?: string, class?: string, children: any}} props */
export function Menu({ label, title, class: name = "button ghost", children }) {
  const [open, setOpen] = useState(false);
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!open) return undefined;
    const leave = (/** @type {Event} */ event) => {
      const inside = event.target instanceof Node && root.current?.contains(event.target);
      if (event.type === "keydown" ? /** @type {KeyboardEvent} */ (event).key === "Escape" : !inside) setOpen(false);
    };
    document.addEventListener("pointerdown", leave);
    document.addEventListener("keydown", leave);
    return () => {
      document.removeEventListener("pointerdown", leave);
      document.removeEventListener("keydown", leave);
    };
  }, [open]);
  return html`<div class="menu" ref=${root}><button type="button" class=${name} title=${title} aria-expanded=${open} aria-haspopup="true" onClick=${() => setOpen(!open)}>${label}</button>
    ${open && html`<div class="pop" onClick=${(/** @type {any} */ event) => event.target.closest("[data-close]") && setOpen(false)}>${children}</div>`}</div>`;
}
