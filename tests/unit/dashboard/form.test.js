/** Arguments from what is typed into fields made of a JSON Schema. */
import assert from "node:assert/strict";
import test from "node:test";

import { BLANK, argumentsOf, fieldErrors, fieldKind, plain } from "../../../dashboard/lib/form.js";

const SCHEMA = {
  properties: { n: { type: "integer" }, label: { type: "string", default: "x" }, strict: { type: "boolean" }, extra: { anyOf: [{ type: "object" }, { type: "null" }] }, mode: { enum: ["fast", 2] } },
  required: ["n"],
};
const typed = (texts) => argumentsOf(SCHEMA, { ...BLANK, texts });

test("each type has its field", () => {
  assert.equal(fieldKind(plain(SCHEMA.properties.n, SCHEMA)), "number");
  assert.equal(fieldKind(plain(SCHEMA.properties.label, SCHEMA)), "text");
  assert.equal(fieldKind(plain(SCHEMA.properties.strict, SCHEMA)), "checkbox");
  assert.equal(fieldKind(plain(SCHEMA.properties.extra, SCHEMA)), "json");
  assert.equal(fieldKind(plain(SCHEMA.properties.mode, SCHEMA)), "select");
});

test("what is typed becomes keyword arguments of the right type", () => {
  assert.deepEqual(typed({ n: "3", label: "a", strict: true, extra: "{\"k\": 1}", mode: "2" }).kwargs, { n: 3, label: "a", strict: true, extra: { k: 1 }, mode: 2 });
});

test("empty optional fields are left to their defaults", () => {
  assert.deepEqual(typed({ n: "3", label: "" }).kwargs, { n: 3 });
});

test("a missing or wrong value is said at its field", () => {
  assert.deepEqual(typed({}).errors, { n: "needed" });
  assert.match(typed({ n: "3.5" }).errors.n, /whole/);
  assert.ok(typed({ n: "1", extra: "{" }).errors.extra);
});

test("references are followed", () => {
  const schema = { properties: { p: { $ref: "#/$defs/P" } }, $defs: { P: { type: "number" } } };
  assert.equal(fieldKind(plain(schema.properties.p, schema)), "number");
});

test("raw JSON is an object of keywords or a list of positions", () => {
  assert.deepEqual(argumentsOf(SCHEMA, { texts: {}, raw: "{\"n\": 1}" }).kwargs, { n: 1 });
  assert.deepEqual(argumentsOf(SCHEMA, { texts: {}, raw: "[1, 2]" }).args, [1, 2]);
  assert.ok(argumentsOf(SCHEMA, { texts: {}, raw: "3" }).errors.raw);
});

test("an open type takes text that is no JSON, as the command line does", () => {
  assert.deepEqual(argumentsOf({ properties: { x: {} } }, { texts: { x: "hello" }, raw: null }).kwargs, { x: "hello" });
});

test("the server's errors find their fields", () => {
  assert.deepEqual(fieldErrors({ errors: [{ loc: ["body", "kwargs", "n"], msg: "too small" }] }), { n: "too small" });
});
