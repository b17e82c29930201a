/** What was said to an agent of late, and what it answered. */
import { actorName, duration, shortId } from "./format.js";
import { html } from "./html.js";
import { Ago, Chip } from "./parts.js";
import { link } from "./router.js";

/** @typedef {{at: string, method: string, sender?: string | null, said?: string | null, outcome: string, answer?: string | null, took_s?: number | null}} Exchange */

/** Colour and word of an outcome; what is none of these is the type of an error. @param {string} outcome @returns {[string, string]} */
const outcomeOf = (outcome) => (/** @type {Record<string, [string, string]>} */ ({ running: ["busy", "thinking"], ok: ["good", "answered"], stream: ["good", "answers in items"], told: ["", "no answer wanted"] })[outcome] ?? ["bad", outcome]);

/** Who said it: an actor that is in sight goes by its name. @param {{id?: string | null, known?: any[]}} props */
function Sender({ id, known = [] }) {
  if (!id) return html`<span>from outside</span>`;
  const row = known.find((each) => each.id === id);
  return html`<a href=${link("actors", id)} title=${id}>${row ? actorName(row) : `actor ${shortId(id.split(":").pop()?.replace(/^0+/, "") ?? id)}`}</a>`;
}

/** A call as one would write it; its arguments are hidden from viewers. @param {{exchange: Exchange}} props */
const Said = ({ exchange }) => html`<p class="told mono" title=${exchange.said ?? undefined}><b>${exchange.method}</b>(${exchange.said === null || exchange.said === undefined ? html`<span class="faint">hidden</span>` : exchange.said})</p>`;

/** @param {{exchange: Exchange}} props */
const Reply = ({ exchange }) => html`<p class="reply mono ${outcomeOf(exchange.outcome)[0]}" title=${exchange.answer ?? undefined}>${exchange.answer ?? outcomeOf(exchange.outcome)[1]}</p>`;

/** All that an agent remembers, newest first. @param {{exchanges?: Exchange[] | null, known?: any[]}} props */
export const Exchanges = ({ exchanges, known }) => (exchanges?.length ? html`<ol class="exchanges">${exchanges.map((each) => html`<li key=${each.at + each.method}>
  <div class="meta"><${Sender} id=${each.sender} known=${known} /><span><${Ago} at=${each.at} /></span><span class="grow"></span>${each.took_s !== null && each.took_s !== undefined && html`<span>${duration(each.took_s)}</span>`}<${Chip} tone=${outcomeOf(each.outcome)[0]}>${outcomeOf(each.outcome)[1]}<//></div>
  <${Said} exchange=${each} />${each.answer !== null && each.answer !== undefined && html`<${Reply} exchange=${each} />`}</li>`)}</ol>` : html`<p class="faint unsaid">Nobody has said anything to it yet.</p>`);

/** The last one alone, in two lines of fixed height, so that cards do not jump. @param {{exchange?: Exchange | null, known?: any[]}} props */
export const LastExchange = ({ exchange, known }) => html`<div class="last">${exchange
  ? html`<div class="meta"><${Sender} id=${exchange.sender} known=${known} /><span><${Ago} at=${exchange.at} /></span></div><${Said} exchange=${exchange} /><${Reply} exchange=${exchange} />`
  : html`<p class="faint">No message seen yet</p>`}</div>`;
