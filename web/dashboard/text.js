// Texts that somebody else wrote: product titles, names, page titles.

import { el } from "./dom.js";

/** Control characters, and marks that turn the direction of what follows: in a label they would scramble its neighbours. */
const UNSEEN = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/gu;
/** A line of a chart's label or tooltip. */
const LABEL_LENGTH = 48;
/** What a cell or a list shows of a text; a style cuts it to the room that there is. */
const SHOWN_LENGTH = 160;

/** The text on one line, without what cannot be seen. */
export function plain(text) {
  return String(text ?? "").replace(UNSEEN, " ").replace(/\s+/g, " ").trim();
}

/** At most `most` characters of the text, never half of one. */
export function shorten(text, most = SHOWN_LENGTH) {
  const characters = Array.from(plain(text));
  return characters.length > most ? `${characters.slice(0, most - 1).join("").trimEnd()}…` : characters.join("");
}

/** For canvas, which knows no element that keeps a text's direction to itself: it is set between isolates. */
export function label(text) {
  return `\u2068${shorten(text, LABEL_LENGTH)}\u2069`;
}

/** An element with the text, whose direction concerns nothing around it; `absent` where there is none. */
export function written(text, absent = "–") {
  const shown = shorten(text);
  if (shown === "") return el("span", { class: "quiet" }, absent);
  return el("bdi", { class: "written", title: shorten(text, 500) }, shown);
}
