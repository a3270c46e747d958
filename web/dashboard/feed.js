// The newest cart events, as they come: asked for every few seconds, while somebody can see it.

import { isAbort } from "./api.js";
import { nothing } from "./card.js";
import { announce, button, byId, el } from "./dom.js";
import { longHour, time } from "./format.js";
import { dayName } from "./period.js";
import { plain, shorten, written } from "./text.js";
import { action } from "./words.js";

const EVERY_MS = 5000;
/** More than happen in that time in all but the largest shops; who misses some finds them by the export. */
const ASKED = 25;
/** A page that stays open all day stays as light as it was in the morning. */
const SHOWN = 40;
/** After a failure, longer each time. */
const LONGEST_PAUSE_MS = 60_000;

/** The feed of the page. `openJourney` is called with who did what was clicked on, `onNew` when something has come in. */
export function createFeed(card, openJourney, onNew) {
  const state = byId("feed-state");
  const toggle = byId("feed-pause");
  let source = null;
  let list = null;
  /** Whether an earlier answer is known, so that what is not in it is new. */
  let wasAsked = false;
  let seen = new Set();
  let timer = 0;
  let isPaused = false;
  let failures = 0;
  let asking = null;

  toggle.addEventListener("click", () => {
    isPaused = !isPaused;
    toggle.setAttribute("aria-pressed", String(isPaused));
    toggle.textContent = isPaused ? "Go on" : "Pause";
    announce(isPaused ? "The live list is paused" : "The live list goes on");
    wake();
  });
  document.addEventListener("visibilitychange", wake);

  function say(text, kind) {
    state.textContent = text;
    state.dataset.state = kind;
  }

  /** Asks now, if anybody is to be told anything. */
  function wake() {
    clearTimeout(timer);
    if (!source) return;
    if (isPaused) return say("Paused", "paused");
    if (document.visibilityState === "hidden") return say("Asleep", "paused");
    void tick();
  }

  async function tick() {
    if (asking) return;
    const { api, store } = source;
    const mine = (asking = new AbortController());
    let wait = EVERY_MS;
    try {
      const { records } = await api.data("events", { storeName: store, limit: ASKED }, { signal: mine.signal, attempts: 1 });
      failures = 0;
      add(records);
      say(`Every ${EVERY_MS / 1000} s`, "live");
    } catch (error) {
      if (isAbort(error) || error.kind === "denied") return;
      failures += 1;
      wait = Math.min((error.retryAfter ?? 0) * 1000 || EVERY_MS * 2 ** failures, LONGEST_PAUSE_MS);
      say(`No answer, again in ${Math.round(wait / 1000)} s`, "failed");
      // The list stays as it is; where there is none yet, this is said in its place.
      if (!list) card.show(nothing(error.message ?? "The newest events could not be loaded."));
    } finally {
      if (asking === mine) asking = null;
    }
    if (source?.api !== api || isPaused || document.visibilityState === "hidden") return;
    clearTimeout(timer);
    timer = setTimeout(wake, wait);
  }

  function add(records) {
    const isFirst = list === null;
    if (records.length === 0 && isFirst) {
      wasAsked = true;
      return card.show(nothing("No event yet. The next one appears here by itself."));
    }
    if (isFirst) {
      list = el("ol", { class: "feed" });
      seen = new Set();
      card.show(list);
    }
    const fresh = records.filter(({ id }) => !seen.has(id));
    for (const record of fresh.toReversed()) {
      seen.add(record.id);
      list.prepend(drawEvent(record, openJourney, wasAsked));
    }
    if (fresh.length > 0 && wasAsked) onNew();
    wasAsked = true;
    while (list.childElementCount > SHOWN) {
      const last = list.lastElementChild;
      // Nobody loses the place at which they are.
      if (last.contains(document.activeElement)) break;
      seen.delete(last.dataset.id);
      last.remove();
    }
  }

  return {
    /** Shows the newest events of a store. */
    start(api, store) {
      this.stop();
      source = { api, store };
      failures = 0;
      wake();
    },
    stop() {
      clearTimeout(timer);
      asking?.abort();
      asking = null;
      source = null;
      list = null;
      wasAsked = false;
      say("", "paused");
    },
  };
}

/** Who did it, and what to call them. */
function whoOf({ sessionId, customerId, customerEmail }) {
  if (sessionId) return [{ sessionId }, customerEmail ?? (customerId ? `Customer ${customerId}` : `Session ${shorten(sessionId, 9)}`)];
  if (customerId) return [{ customerId }, customerEmail ?? `Customer ${customerId}`];
  if (customerEmail) return [{ customerEmail }, customerEmail];
  return [null, "Somebody unknown"];
}

function drawEvent(record, openJourney, isNew) {
  const { id, actionType, productTitle, productId, createdAt } = record;
  const at = new Date(createdAt);
  const isToday = dayName(at) === dayName(new Date());
  const [who, name] = whoOf(record);
  return el(
    "li",
    { "data-id": id, "data-action": actionType, class: isNew ? "is-new" : null },
    el("time", { datetime: createdAt }, isToday ? time(at) : longHour(at)),
    el("span", { class: "action" }, action(actionType)),
    el("span", { class: "what" }, written(productTitle, productId ? `Product ${productId}` : "No product"), el("span", { class: "about" }, written(name))),
    who && button("Journey", () => openJourney(who, name), { class: "small", "aria-label": `Journey of ${plain(name)}, ${action(actionType)} at ${time(at)}` }),
  );
}
