/** Light, dark or what the system says; remembered by this browser. */
import { signal } from "./html.js";

const KEY = "pulsing.theme";
const ORDER = ["auto", "light", "dark"];
const prefersDark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");

export const choice = signal(globalThis.localStorage?.getItem(KEY) ?? "auto");
export const dark = signal(false);

function apply() {
  dark.value = choice.value === "dark" || (choice.value === "auto" && Boolean(prefersDark?.matches));
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
}

export function nextTheme() {
  choice.value = ORDER[(ORDER.indexOf(choice.value) + 1) % ORDER.length];
  localStorage.setItem(KEY, choice.value);
  apply();
}

/** Follow the node's own choice where this browser has made none. @param {string | undefined} theme */
export function offerTheme(theme) {
  if (!theme || !ORDER.includes(theme) || localStorage.getItem(KEY)) return;
  choice.value = theme;
  apply();
}

export function startTheme() {
  prefersDark?.addEventListener("change", apply);
  apply();
}
