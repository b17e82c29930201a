/** A table of fixed row height: only rows in sight are drawn, columns give way by priority where room is short. */
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./html.js";
import { claim } from "./keys.js";
import { keyOf, sortedBy } from "./store.js";

/**
 * @typedef {{key: string, title: string, cell: (row: any) => any, width: number, grow?: number, align?: "end", sort?: string | false,
 *   down?: boolean, rank?: number, hint?: string, hidden?: boolean, from?: (row: any) => any[]}} Column `rank` 0 always stays; the highest
 *   goes first. `from` says what a cell is made of: while that is the same, so is the cell, and costs nothing
 * @typedef {{columns: Column[], rows: any[], total?: number, offset?: number, sort?: string, onSort?: (sort: string) => void, onOpen?: (row: any) => void,
 *   onRange?: (first: number, count: number) => void, fill?: boolean, selected?: Set<string>, onSelect?: (keys: Set<string>) => void,
 *   empty?: any, loaded?: boolean, label: string, mark?: (row: any) => string}} TableProps
 */

const ROW = 32;
const OVERSCAN = 5;
const WHOLE = 300;
const EDGE = 6;
const TALL = 8;
const WINDOW_MOST = 10_000;

/** Columns that fit: least important ones go first. @param {Column[]} columns @param {number} room */
export function fitting(columns, room) {
  let kept = columns.filter((column) => !column.hidden);
  while (kept.length > 1 && kept.reduce((sum, column) => sum + column.width, 0) > room) {
    const worst = Math.max(...kept.map((column) => column.rank ?? 1));
    if (worst === 0) break;
    const at = kept.map((column) => column.rank ?? 1).lastIndexOf(worst);
    kept = kept.filter((_, index) => index !== at);
  }
  return kept;
}

/** Rows to draw. @param {number} top scrolled pixels @param {number} height of the view @param {number} total @returns {[number, number]} first and last + 1 */
export function visible(top, height, total) {
  if (!height) return [0, Math.min(total, 40)];
  const first = Math.max(0, Math.floor(top / ROW) - OVERSCAN);
  return [first, Math.min(total, Math.ceil((top + height) / ROW) + OVERSCAN)];
}

/** @param {TableProps} props */
export function Table({ columns, rows, total = rows.length, offset = 0, sort = "", onSort, onOpen, onRange, fill, selected, onSelect, empty, loaded = true, label, mark }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [top, setTop] = useState(0);
  const [active, setShownActive] = useState(/** @type {string | null} */ (null));
  // Keys may come faster than the page is drawn: what they act on must not wait for that.
  const chosen = useRef(/** @type {string | null} */ (null));
  const setActive = (/** @type {string} */ key) => {
    chosen.current = key;
    setShownActive(key);
  };
  useLayoutEffect(() => watchSize(/** @type {HTMLElement} */ (box.current), setSize), []);
  const shown = useMemo(() => fitting(columns, (size.width || 1200) - (onSelect ? 36 : 0)), [columns, size.width, Boolean(onSelect)]);
  const reachable = Math.min(total, WINDOW_MOST);
  const [first, last] = fill || reachable > WHOLE ? visible(top, size.height, reachable) : [0, reachable];
  useEffect(() => onRange?.(first, last - first), [first, last]);

  const at = (/** @type {number} */ index) => rows[index - offset];
  const step = (/** @type {number} */ by) => () => {
    const from = rows.findIndex((row) => keyOf(row) === chosen.current);
    const row = rows[Math.min(rows.length - 1, Math.max(0, from + by))];
    if (!row) return;
    setActive(keyOf(row));
    reveal(box.current, offset + rows.indexOf(row));
  };
  useEffect(() => claim({
    j: step(1), k: step(-1), ArrowDown: step(1), ArrowUp: step(-1),
    ...(onOpen ? { Enter: () => open(rows, chosen.current, onOpen) } : {}),
    ...(onSelect ? { x: () => chosen.current && onSelect(toggled(selected, chosen.current)) } : {}),
  }));

  if (loaded && !total && empty) return html`<div ref=${box} class="table-box ${fill ? "fill" : ""}">${empty}</div>`;
  const flexible = shown.some((column) => column.grow);
  return html`<div ref=${box} class="table-box ${fill ? "fill" : ""} ${total > TALL ? "tall" : ""}" tabindex=${fill ? 0 : undefined} onScroll=${(/** @type {any} */ event) => setTop(event.currentTarget.scrollTop)}>
    <table aria-label=${label} aria-rowcount=${total} aria-busy=${!loaded}>
      <colgroup>${onSelect && html`<col class="w-select" />`}${shown.map((column, index) => html`<col key=${column.key} style=${{ width: column.grow || (!flexible && index === 0) ? "auto" : `${column.width + (index === shown.length - 1 ? EDGE : 0)}px` }} />`)}</colgroup>
      <thead><tr>${onSelect && html`<th class="select"><input type="checkbox" aria-label="Select all rows in sight" checked=${Boolean(selected?.size) && rows.every((row) => selected?.has(keyOf(row)))}
          onChange=${(/** @type {any} */ event) => onSelect(new Set(event.target.checked ? rows.slice(0, 100).map(keyOf) : []))} /></th>`}
        ${shown.map((column) => html`<${Head} key=${column.key} column=${column} sort=${sort} onSort=${onSort} />`)}</tr></thead>
      <tbody>
        ${first > 0 && html`<tr class="space" aria-hidden="true"><td colspan=${shown.length + (onSelect ? 1 : 0)} style=${{ height: `${first * ROW}px` }}></td></tr>`}
        ${Array.from({ length: loaded ? last - first : 8 }, (_, index) => {
          const row = loaded ? at(first + index) : undefined;
          const key = row && keyOf(row);
          return row
            ? html`<${Row} key=${key} id=${key} row=${row} columns=${shown} name="${key === active ? "active" : ""} ${mark?.(row) ?? ""}" chosen=${selected?.has(key)}
                onClick=${(/** @type {any} */ event) => clicked(event, () => (setActive(key), onOpen?.(row)))} onToggle=${onSelect && (() => onSelect(toggled(selected, key)))} />`
            : html`<tr key="blank-${first + index}" class="blank" aria-hidden="true">${onSelect && html`<td></td>`}${shown.map(() => html`<td><i></i></td>`)}</tr>`;
        })}
        ${last < reachable && html`<tr class="space" aria-hidden="true"><td colspan=${shown.length + (onSelect ? 1 : 0)} style=${{ height: `${(reachable - last) * ROW}px` }}></td></tr>`}
      </tbody>
    </table>
    ${total > WINDOW_MOST && html`<p class="table-note">The first 10,000 of ${total.toLocaleString("en-US")}: filter to see others.</p>`}
  </div>`;
}

/** @param {{id: string, row: any, columns: Column[], name: string, chosen?: boolean, onClick: (event: any) => void, onToggle?: () => void}} props */
function Row({ id, row, columns, name, chosen, onClick, onToggle }) {
  const cells = useRef(/** @type {Map<string, {of: any[], cell: any}>} */ (new Map()));
  return html`<tr class=${name} aria-selected=${chosen} data-key=${id} onClick=${onClick}>
    ${onToggle && html`<td class="select"><input type="checkbox" aria-label="Select" checked=${chosen} onChange=${onToggle} /></td>`}
    ${columns.map((column) => kept(cells.current, column, row))}</tr>`;
}

/** The cell as it was drawn last, where it is made of the same. @param {Map<string, {of: any[], cell: any}>} cells @param {Column} column @param {any} row */
function kept(cells, column, row) {
  const of = column.from?.(row);
  const before = cells.get(column.key);
  if (of && before && of.every((value, index) => value === before.of[index])) return before.cell;
  const cell = html`<td key=${column.key} class=${column.align === "end" ? "end" : ""}>${column.cell(row)}</td>`;
  if (of) cells.set(column.key, { of, cell });
  return cell;
}

/** @param {{column: Column, sort: string, onSort?: (sort: string) => void}} props */
function Head({ column, sort, onSort }) {
  const key = column.sort === undefined ? column.key : column.sort;
  const keys = sort.split(",");
  const at = keys.findIndex((each) => each.replace(/^-/, "") === key);
  const down = at >= 0 && keys[at].startsWith("-");
  const name = column.align === "end" ? "end" : "";
  if (!onSort || !key) return html`<th class=${name} title=${column.hint} scope="col">${column.title ? html`<span>${column.title}</span>` : html`<span class="unseen">Actions</span>`}</th>`;
  return html`<th class=${name} scope="col" aria-sort=${at < 0 ? "none" : down ? "descending" : "ascending"}>
    <button type="button" title=${column.hint ?? "Sort; with Shift by several columns"} onClick=${(/** @type {MouseEvent} */ event) => onSort(sortedBy(sort, key, event.shiftKey, column.down ?? column.align === "end"))}>
      <span>${column.title}</span><i class="arrow ${at < 0 ? "" : down ? "down" : "up"}" aria-hidden="true">${at < 0 ? "" : down ? "↓" : "↑"}${at >= 0 && keys.length > 1 ? at + 1 : ""}</i></button></th>`;
}

/** @param {HTMLElement} element @param {(size: {width: number, height: number}) => void} tell */
function watchSize(element, tell) {
  const observer = new ResizeObserver(() => tell({ width: element.clientWidth, height: element.clientHeight }));
  observer.observe(element);
  tell({ width: element.clientWidth, height: element.clientHeight });
  return () => observer.disconnect();
}

/** @param {Event & {target: any}} event @param {() => void} open */
function clicked(event, open) {
  if (event.target.closest("a, button, input, .menu") || String(getSelection())) return;
  open();
}

/** @param {any[]} rows @param {string | null} key @param {(row: any) => void} onOpen */
function open(rows, key, onOpen) {
  const row = rows.find((each) => keyOf(each) === key);
  if (row) onOpen(row);
}

/** @param {Set<string> | undefined} selected @param {string} key */
function toggled(selected, key) {
  const next = new Set(selected);
  if (!next.delete(key) && next.size < 100) next.add(key);
  return next;
}

/** @param {HTMLElement | null} box @param {number} index */
function reveal(box, index) {
  if (!box || box.scrollHeight <= box.clientHeight) return;
  const [top, bottom] = [index * ROW, (index + 2) * ROW];
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}
