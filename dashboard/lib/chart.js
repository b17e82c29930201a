/** Lines over time: small ones in SVG, large ones by uPlot, which is loaded when the first is shown. */
import { html, useEffect, useRef } from "./html.js";
import { dark } from "./theme.js";
import { bridged } from "./trail.js";

/** Points of a polyline in a box of 100 × 28; null breaks nothing, it is left out. @param {Array<number | null>} values */
export function points(values) {
  const kept = values.flatMap((value, index) => (typeof value === "number" && Number.isFinite(value) ? [[index, value]] : []));
  if (kept.length < 2) return "";
  const most = Math.max(...kept.map(([, value]) => value));
  const least = Math.min(0, ...kept.map(([, value]) => value));
  const span = most - least || 1;
  const width = values.length - 1;
  return kept.map(([index, value]) => `${((index / width) * 100).toFixed(1)},${(26 - ((value - least) / span) * 24).toFixed(1)}`).join(" ");
}

/** @param {{values: Array<number | null>, tone?: string}} props */
export function Sparkline({ values, tone = "" }) {
  const line = points(values);
  const [start, end] = line ? [line.split(",")[0], line.split(" ").pop()?.split(",")[0]] : ["", ""];
  return html`<svg class="spark ${tone}" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
    ${line && html`<polygon points="${start},28 ${line} ${end},28" /><polyline points=${line} />`}</svg>`;
}

const SHORTEST_S = 60;
const STEPS_S = [1, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400];

/** @type {Promise<any> | null} */
let library = null;

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @typedef {{label: string, colour: string, dash?: boolean}} Line `colour` is the name of a custom property
 * @param {{times: number[], lines: Line[], data: Array<Array<number | null>>, as: (value: any) => string, height?: number, label: string}} props
 */
export function Chart({ times, lines, data, as, height = 180, label }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const latest = useRef(/** @type {any} */ ([]));
  latest.current = [times, ...data.map((values) => bridged(times, values))];
  const night = dark.value;
  const names = lines.map((line) => line.label).join();
  useEffect(() => {
    let gone = false;
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: box.current?.clientWidth ?? 300, height }));
    library ??= import("../vendor/uplot.js");
    library.then(({ default: UPlot }) => {
      if (gone || !box.current) return;
      plot.current = new UPlot(options(lines, as, box.current.clientWidth, height), latest.current, box.current);
      observer.observe(box.current);
    });
    return () => {
      gone = true;
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [night, names, height]);
  useEffect(() => plot.current?.setData(latest.current));
  return html`<figure class="chart"><div ref=${box} role="img" aria-label=${label} style=${{ height: `${height}px` }}></div>
    <figcaption>${lines.map((line, index) => html`<span key=${line.label}><i class="swatch ${line.colour.slice(2)} ${line.dash ? "dash" : ""}"></i>${line.label} <b>${as(last(data[index]))}</b></span>`)}</figcaption></figure>`;
}

/** @param {Array<number | null>} values */
const last = (values) => values.findLast((value) => value !== null && value !== undefined);

/** @param {Line[]} lines @param {(value: any) => string} as @param {number} width @param {number} height */
function options(lines, as, width, height) {
  const axis = { stroke: colour("--text-3"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  return {
    width, height, padding: [8, 26, 0, 0], legend: { show: false }, cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "time" } },
    scales: { x: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(low ?? 0, (high ?? 0) - SHORTEST_S), high ?? 0] }, y: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, size: 24, space: 72, incrs: STEPS_S, values: (/** @type {any} */ _plot, /** @type {number[]} */ ticks) => ticks.map(hour) },
      { ...axis, size: 58, space: 28, gap: 6, values: (/** @type {any} */ _plot, /** @type {number[]} */ ticks) => ticks.map((tick) => as(tick)) },
    ],
    series: [{}, ...lines.map((line, index) => ({
      label: line.label, stroke: colour(line.colour), width: 1.5, dash: line.dash ? [4, 3] : undefined, points: { show: false }, spanGaps: false,
      fill: lines.length === 1 && index === 0 ? `color-mix(in srgb, ${colour(line.colour)} 12%, transparent)` : undefined,
    }))],
    hooks: { setCursor: [(/** @type {any} */ plot) => tell(plot, as)] },
  };
}

/** @param {number} seconds */
function hour(seconds) {
  const at = new Date(seconds * 1000);
  return [at.getHours(), at.getMinutes(), ...(at.getSeconds() ? [at.getSeconds()] : [])].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Shows the values under the pointer in the caption. @param {any} plot @param {(value: any) => string} as */
function tell(plot, as) {
  const index = plot.cursor.idx ?? plot.data[0].length - 1;
  const cells = plot.root.closest("figure")?.querySelectorAll("figcaption b") ?? [];
  cells.forEach((/** @type {Element} */ cell, /** @type {number} */ at) => {
    const value = plot.data[at + 1]?.[index];
    if (cell.firstChild) cell.firstChild.nodeValue = as(value);
  });
}
