/** How requests are made. */
import assert from "node:assert/strict";
import test from "node:test";

import { inHeader } from "../../../dashboard/lib/api.js";

test("a text of any script is one line of bytes in a header", () => {
  assert.equal(inHeader("too old"), "too old");
  assert.equal(inHeader(" two\nlines "), "two lines");
  assert.deepEqual([...Buffer.from(inHeader("é大"), "latin1")], [...Buffer.from("é大", "utf8")]);
});
