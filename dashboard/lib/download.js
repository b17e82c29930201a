/** Saves text as a file of the reader's, without asking the server again. */

/** @param {string} name @param {string} text @param {string} type */
export function download(name, text, type) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(new Blob([text], { type }));
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(anchor.href);
}
