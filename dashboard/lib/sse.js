/** Reads `text/event-stream` from a fetch, because a token travels in a header and EventSource sends none. */
import { problemOf, send } from "./api.js";

/** @typedef {{id: string, event: string, data: any}} Frame */

/** Cuts whole frames off the front of the text. Comments and `retry` lines yield nothing. @param {string} text @returns {[Frame[], string]} */
export function parse(text) {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop() ?? "";
  return [blocks.flatMap(frameOf), rest];
}

/** @param {string} block @returns {Frame[]} */
function frameOf(block) {
  /** @type {Record<string, string[]>} */
  const fields = { data: [], event: [], id: [] };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    fields[line.slice(0, colon)]?.push(line.slice(colon + 1).replace(/^ /, ""));
  }
  if (!fields.data.length) return [];
  return [{ id: fields.id[0] ?? "", event: fields.event[0] ?? "message", data: JSON.parse(fields.data.join("\n")) }];
}

/**
 * Calls `onFrames` with what has arrived until the stream ends. Throws a Problem when it is refused.
 * An answer of another media type is given back unread: a call whose method is no generator answers plain JSON.
 * @param {string} method @param {string} path @param {import("./api.js").Options} options @param {(frames: Frame[]) => void} onFrames
 * @returns {Promise<Response>}
 */
export async function read(method, path, options, onFrames) {
  const answer = await send(method, path, { ...options, accept: options.accept ?? "text/event-stream" });
  if (!answer.ok) throw await problemOf(answer);
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream") || !answer.body) return answer;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return answer;
    const [frames, rest] = parse(text + value);
    text = rest;
    if (frames.length) onFrames(frames);
  }
}
