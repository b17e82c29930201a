/** Goes to anything by its name: pages, actors, queues, topics, and the few actions that need no object. */
import { get } from "./api.js";
import { Modal } from "./dialog.js";
import { actorName, className } from "./format.js";
import { html, signal, useEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";
import { go, link } from "./router.js";
import { PAGES } from "./text.js";

/** @typedef {{icon: string, title: string, note: string, run: () => void}} Entry */

export const paletteOpen = signal(false);

const ASK_AFTER_MS = 120;

/** Entries whose words contain every word typed: first those called so, last those only described so. @param {Entry[]} entries @param {string} text */
export function matching(entries, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = entries.filter((entry) => words.every((word) => `${entry.title} ${entry.note}`.toLowerCase().includes(word)));
  const rank = (/** @type {Entry} */ entry) => {
    const at = words[0] ? entry.title.toLowerCase().indexOf(words[0]) : 0;
    return at === 0 ? 0 : at > 0 ? 1 : 2;
  };
  return fits.sort((one, two) => rank(one) - rank(two));
}

/** @param {string} text @param {Set<string>} pages @returns {Promise<Entry[]>} */
async function found(text, pages) {
  const ask = async (/** @type {string} */ page, /** @type {string} */ key, /** @type {(row: any) => Entry} */ entry) => {
    if (!pages.has(page)) return [];
    const body = await get(page, { search: text, limit: 6 }).catch(() => ({ items: [] }));
    return body.items.filter((/** @type {any} */ row) => key === "id" || String(row[key]).toLowerCase().includes(text.toLowerCase())).slice(0, 6).map(entry);
  };
  const lists = await Promise.all([
    ask("actors", "id", (row) => ({ icon: "actors", title: actorName(row), note: className(row.class), run: () => go(link("actors", row.id)) })),
    ask("queues", "queue", (row) => ({ icon: "queues", title: row.queue, note: "queue", run: () => go(link("queues", row.queue)) })),
    ask("topics", "topic", (row) => ({ icon: "topics", title: row.topic, note: "topic", run: () => go(link("topics", row.topic)) })),
  ]);
  return lists.flat();
}

/** @param {{pages: Set<string>, actions: Entry[]}} props */
export function Palette({ pages, actions }) {
  const [text, setText] = useState("");
  const [objects, setObjects] = useState(/** @type {Entry[]} */ ([]));
  const [at, setAt] = useState(0);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!text.trim()) return setObjects([]);
    let late = false;
    const timer = setTimeout(() => found(text.trim(), pages).then((entries) => !late && setObjects(entries)), ASK_AFTER_MS);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [text]);
  const fixed = [...[...pages].map((page) => ({ icon: page, title: PAGES[page].title, note: PAGES[page].about, run: () => go(link(page)) })), ...actions];
  const entries = matching([...fixed, ...objects], text).slice(0, 24);
  const chosen = Math.min(at, entries.length - 1);
  useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: "nearest" }), [chosen]);
  const close = () => {
    paletteOpen.value = false;
  };
  const run = (/** @type {Entry | undefined} */ entry) => entry && (close(), entry.run());
  const press = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((chosen + step + entries.length) % entries.length);
    if (event.key === "Enter") run(entries[chosen]);
    if (step || event.key === "Enter") event.preventDefault();
  };
  return html`<${Modal} title="Go to" onClose=${close} class="modal palette">
    <div class="palette-field"><${Icon} name="search" /><input autofocus role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant="palette-${chosen}"
      placeholder="Page, actor, queue, topic or action" value=${text} onInput=${(/** @type {any} */ event) => (setText(event.target.value), setAt(0))} onKeyDown=${press} /></div>
    <ul id="palette-list" role="listbox" ref=${list}>${entries.map((entry, index) => html`<li key=${entry.icon + entry.title + entry.note} id="palette-${index}" role="option" aria-selected=${index === chosen}
      onMouseMove=${() => setAt(index)} onClick=${() => run(entry)}><${Icon} name=${entry.icon} /><span>${entry.title}</span><small>${entry.note}</small></li>`)}
      ${!entries.length && html`<li class="faint">Nothing is called that.</li>`}</ul><//>`;
}
