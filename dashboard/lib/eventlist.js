/** Events as sentences: what happened to what, with a way there. */
import { actorName } from "./format.js";
import { html } from "./html.js";
import { Ago, Clock, nodeNames } from "./parts.js";
import { link } from "./router.js";

const BAD = /failed|dead$|data_lost|unavailable|failing|conflict/;
const WARN = /restart|suspect|dead_letter|closed|long_turn|gap|evicted|purged|deleted|draining|leaving|left|trimmed/;
const GOOD = /spawned|joined|alive|opened|created|\.ok$|subscriber_added/;

/** @param {string} type */
function toneOf(type) {
  if (BAD.test(type)) return "bad";
  if (WARN.test(type)) return "warn";
  return GOOD.test(type) ? "good" : "busy";
}

const SUBJECT_PAGES = { actor: "actors", queue: "queues", topic: "topics", node: "nodes", member: "nodes", link: "links", check: "health" };

/** @param {any} subject */
function subjectLink(subject) {
  const page = SUBJECT_PAGES[subject?.kind];
  const id = page === "queues" || page === "topics" ? subject.name ?? subject.id : subject?.id ?? subject?.name;
  return page && id && page !== "links" && page !== "health" ? link(page, id) : page ? link(page) : "";
}

/** @param {any} subject */
export function subjectName(subject) {
  if (!subject) return "";
  if (subject.kind === "actor") return actorName(subject);
  return subject.name ?? nodeNames.get(subject.id) ?? subject.id ?? "";
}

/** `reason=failed error=…` @param {any} data */
export const dataText = (data) => Object.entries(data ?? {}).filter(([, value]) => value !== null && value !== "").map(([key, value]) => `${key}=${text(value)}`).join("  ");

/** @param {any} value */
function text(value) {
  if (typeof value === "number") return Number(Math.abs(value) < 1 ? value.toPrecision(3) : value.toFixed(3));
  return typeof value === "object" ? JSON.stringify(value) : value;
}

/** @param {{events: any[], short?: boolean}} props */
export const EventList = ({ events, short }) => html`<ol class="log ${short ? "short" : ""}">${events.map((event) => html`<${Line} key=${event.id} event=${event} short=${short} />`)}</ol>`;

/** @param {{event: any, short?: boolean}} props */
function Line({ event, short }) {
  const to = subjectLink(event.subject);
  const name = subjectName(event.subject);
  return html`<li>${short ? html`<${Ago} at=${event.at} />` : html`<${Clock} at=${event.at} />`}<span class="type ${toneOf(event.type)}" title=${event.type}>${event.type}</span>
    <span class="what" title=${dataText(event.data)}>${to ? html`<a href=${to}>${name}</a>` : name} <span class="faint">${dataText(event.type === "admin.action" ? { ...event.data, action: null } : event.data)}</span></span></li>`;
}
