// The way of one session or customer: what they did, in order of time, with how long it took.

import { createCard, nothing } from "./card.js";
import { byId, el } from "./dom.js";
import { count, dateTime, duration, time } from "./format.js";
import { describe } from "./journey-items.js";
import { dayName } from "./period.js";
import { plain, shorten } from "./text.js";

/** Shorter gaps are no pause. */
const GAP_MS = 1000;
/** Here a visit has ended, as the tracker counts. */
const LONG_GAP_MS = 30 * 60_000;
const KINDS = { view: "View", click: "Click", event: "Event", generation: "Try-on", cart: "Cart", popup: "Popup" };

/** The dialog; returns how it is opened, with the API, the store, who it is about and what to call them. */
export function createJourney() {
  const dialog = byId("journey");
  const card = createCard(dialog, { draw, lines: 8 });
  let loading = null;
  // The browser keeps the focus inside, closes at Escape, and gives the focus back.
  byId("journey-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    // On the backdrop, which belongs to the dialog itself.
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    loading?.abort();
    card.show();
  });

  return {
    open(api, storeName, who, name) {
      loading?.abort();
      loading = new AbortController();
      const { signal } = loading;
      byId("journey-of").textContent = shorten(name);
      if (!dialog.open) dialog.showModal();
      byId("journey-title").focus();
      void card.load((onWait) => api.data("journey", { storeName, ...who }, { signal, onWait }));
    },
    close() {
      if (dialog.open) dialog.close();
    },
  };
}

function draw({ startedAt, endedAt, durationMs, truncated, sessions, items }) {
  if (items.length === 0) return nothing("Nothing is stored of this visit, or not any more.");
  const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const severalSessions = (sessions?.length ?? 0) > 1;
  return [
    el(
      "dl",
      { class: "counts facts" },
      fact("Began", el("time", { datetime: startedAt }, dateTime(new Date(startedAt)))),
      fact("Ended", el("time", { datetime: endedAt }, dateTime(new Date(endedAt)))),
      fact("Took", duration(durationMs)),
      fact("Steps", count(items.length)),
      severalSessions && fact("Visits", count(sessions.length)),
    ),
    truncated && el("p", { class: "note" }, "There is more than is shown here."),
    el("ol", { class: "journey" }, drawItems(items, severalSessions)),
  ];
}

function drawItems(items, severalSessions) {
  let session;
  let day;
  return items.map((item) => {
    const at = new Date(item.at);
    const isNewDay = dayName(at) !== day;
    const isNewSession = severalSessions && item.sessionId && item.sessionId !== session;
    day = dayName(at);
    session = item.sessionId ?? session;
    const [title, details] = describe(item);
    const kind = Object.hasOwn(KINDS, item.kind) ? item.kind : "event";
    return el(
      "li",
      { "data-kind": kind },
      item.gapMs >= GAP_MS && el("p", { class: item.gapMs >= LONG_GAP_MS ? "gap long" : "gap" }, `${duration(item.gapMs)} later`),
      isNewSession && el("p", { class: "gap long" }, `Visit ${plain(shorten(item.sessionId, 12))}`),
      el(
        "div",
        { class: "step" },
        el("time", { datetime: item.at }, isNewDay ? dateTime(at) : time(at)),
        el("span", { class: "kind" }, KINDS[kind]),
        el("p", { class: "title" }, title),
        el("p", { class: "about" }, joined(details)),
      ),
    );
  });
}

/** The details that there are, with dots between them. */
function joined(details) {
  const there = details.filter((detail) => detail && (typeof detail === "string" || detail.textContent !== ""));
  return there.flatMap((detail, index) => (index === 0 ? [detail] : [" · ", detail]));
}
