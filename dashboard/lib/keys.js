/** Keyboard for the whole page: single keys outside fields, `g` and a letter to go to a page. */
import { go, link } from "./router.js";
import { PAGES } from "./text.js";

const LEADER_MS = 1_200;

/** @type {Array<Record<string, (event: KeyboardEvent) => void>>} the last one that knows a key has it */
const layers = [];

/** Claims keys while a part is on screen; returns how to give them back. @param {Record<string, (event: KeyboardEvent) => void>} layer */
export function claim(layer) {
  layers.push(layer);
  return () => {
    layers.splice(layers.indexOf(layer), 1);
  };
}

/** @param {EventTarget | null} target */
const typing = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** What Enter already does something to. @param {EventTarget | null} target */
const pressable = (target) => target instanceof Element && target.closest("a, button, summary") !== null;

let leaderAt = 0;

/** @param {KeyboardEvent} event */
function press(event) {
  const name = (event.ctrlKey || event.metaKey ? "Ctrl-" : "") + event.key;
  if (typing(event.target) && !name.startsWith("Ctrl-")) {
    if (event.key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]") && name !== "Ctrl-k") return;
  if (event.altKey || (event.key === "Enter" && pressable(event.target))) return;
  const after = Date.now() - leaderAt < LEADER_MS;
  leaderAt = !after && name === "g" ? Date.now() : 0;
  const page = after && Object.keys(PAGES).find((each) => PAGES[each].key === name);
  if (page) return use(event, () => go(link(page)));
  if (leaderAt) return;
  const layer = [...layers].reverse().find((each) => each[name]);
  if (layer) use(event, () => layer[name](event));
}

/** @param {KeyboardEvent} event @param {() => void} act */
function use(event, act) {
  event.preventDefault();
  act();
}

export function startKeys() {
  document.addEventListener("keydown", press);
}
