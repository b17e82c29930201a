/** Rows as comma-separated values that a spreadsheet opens and does not evaluate. */

/** @param {any[]} rows */
export function csv(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  return [names.map(cell).join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\n");
}

/** @param {any} value */
function cell(value) {
  const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  // A leading sign would make a spreadsheet evaluate what an actor's name says.
  const safe = /^[=+\-@\t\r]/.test(text) && typeof value === "string" ? `'${text}` : text;
  // Some spreadsheets begin a cell at a semicolon or a tab as well, and a row at a carriage return.
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll("\"", "\"\"")}"` : safe;
}
