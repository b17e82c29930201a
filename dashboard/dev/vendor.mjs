/**
 * Fills `vendor/` from the npm registry: what is fetched, what is changed in it, and what it must hash to.
 *
 * Run `node dashboard/dev/vendor.mjs` after changing a version below, read the diff, commit both.
 * Browsers resolve no bare names without an import map, so imports between the packages are made relative;
 * uPlot ships its small build as a script, so an export is added. Source map comments go, as maps are not shipped.
 * The `*.d.ts` beside them are ours: the few types that this page needs of them.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const VENDOR = join(dirname(fileURLToPath(import.meta.url)), "..", "vendor");

const PACKAGES = [
  { name: "preact", version: "11.2.0", licence: "MIT", files: { "dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "preact-hooks.js" } },
  { name: "htm", version: "3.1.1", licence: "Apache-2.0", files: { "dist/htm.mjs": "htm.js" } },
  { name: "@preact/signals-core", version: "1.14.5", licence: "MIT", files: { "dist/signals-core.mjs": "signals-core.js" } },
  { name: "@preact/signals", version: "2.11.4", licence: "MIT", files: { "dist/signals.mjs": "signals.js" } },
  { name: "uplot", version: "1.6.32", licence: "MIT", files: { "dist/uPlot.iife.min.js": "uplot.js", "dist/uPlot.min.css": "uplot.css" } },
];

const RELATIVE = {
  "preact": "./preact.js",
  "preact/hooks": "./preact-hooks.js",
  "@preact/signals-core": "./signals-core.js",
};

/** @param {string} text */
function relativeImports(text) {
  return text.replace(/from\s*(["'])([^"']+)\1/g, (whole, quote, name) => (RELATIVE[name] ? `from${quote}${RELATIVE[name]}${quote}` : whole));
}

/** @param {string} file @param {string} text */
function adapted(file, text) {
  const plain = text.replace(/\n?\/\/# sourceMappingURL=.*\n?/g, "\n");
  if (file === "uplot.js") return `${plain.trimEnd()}\nexport default uPlot;\n`;
  return file.endsWith(".js") ? relativeImports(plain) : plain;
}

/** @param {string} text */
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

const lines = [["file", "package", "version", "licence", "sha256"].join("\t")];
for (const pack of PACKAGES) {
  const room = mkdtempSync(join(tmpdir(), "vendor-"));
  const tarball = execFileSync("npm", ["pack", "--silent", `${pack.name}@${pack.version}`], { cwd: room, encoding: "utf8" }).trim();
  execFileSync("tar", ["xzf", tarball], { cwd: room });
  const take = (path) => readFileSync(join(room, "package", path), "utf8");
  const licence = `LICENSE-${pack.name.replace("@", "").replace("/", "-")}.txt`;
  for (const [from, to] of [...Object.entries(pack.files), ["LICENSE", licence]]) {
    const text = adapted(to, take(from));
    writeFileSync(join(VENDOR, to), text);
    lines.push([to, pack.name, pack.version, pack.licence, sha256(text)].join("\t"));
  }
  rmSync(room, { recursive: true });
}
writeFileSync(join(VENDOR, "VERSIONS.txt"), `${lines.join("\n")}\n`);
