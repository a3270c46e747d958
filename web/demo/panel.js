// The side panel: what the backend knows of this visit. It stands in a closed shadow tree, so that neither the
// shop's style nor the tracker, which records clicks, takes it for a part of the shop.

import { clearCart } from "./lib/cart.js";
import { h } from "./lib/dom.js";
import { shoptrail } from "./lib/shoptrail.js";
import { Feed } from "./panel/feed.js";
import { askAi } from "./panel/advice.js";
import { figures, record } from "./panel/record.js";
import { progressOf, suggestions } from "./panel/suggestions.js";
import { notTracked, unreachable } from "./panel/states.js";

// A panel that is live does not wait for the tracker's next turn, a quarter of a minute.
const FIRST_SEND_MS = 1_000;
const SEND_MS = 4_000;
const OPEN_KEY = "demo.panel";
const ANEW_KEY = "demo.anew";
const host = document.getElementById("panel");
const tree = host.attachShadow({ mode: "closed" });

/** What this tab remembers from page to page; nothing where storage is refused. `null` forgets it. */
function kept(key, value) {
  try {
    if (value === undefined) return sessionStorage.getItem(key);
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {
    // The panel does without.
  }
  return null;
}

/** A button that does something that takes a while, and says so when that fails. */
function button(label, title, act) {
  const element = h("button", {
    type: "button", class: "act", title, text: label,
    on: {
      async click() {
        element.disabled = true;
        try {
          await act();
        } catch {
          // What went wrong shows in the next reading.
        } finally {
          element.disabled = false;
          feed.soon();
        }
      },
    },
  });
  return element;
}

/** Empties the cart and goes to the first page; the visit ends there, so that the next one begins where visits begin. */
async function startAnew() {
  await clearCart();
  kept(ANEW_KEY, "yes");
  location.assign("/demo/");
}

async function endVisitIfWished() {
  if (!kept(ANEW_KEY)) return;
  kept(ANEW_KEY, null);
  (await shoptrail())?.reset();
}

const session = h("code", { class: "session" });
const fresh = h("span", { class: "fresh" });
const summary = h("span", { class: "toggle-summary" });
const toggle = h("button", { type: "button", class: "toggle", "aria-controls": "body" },
  h("span", { class: "toggle-title", text: "What Shoptrail knows" }), summary);
const notice = h("div", { class: "notices" });
const numbers = h("div");
const advice = h("div");
const tries = h("div");
const known = h("div");
const raw = h("a", { class: "act", target: "_blank", rel: "noopener", text: "Raw record", title: "The stored record as JSON, in a new tab" });
const acts = h("div", { class: "acts" },
  button("Ask AI now", "Ask, as the tracker does at the right moment, and show the popup if told so", async () => (await shoptrail())?.ask()),
  button("Send now", "Send what the tracker has collected, without waiting for its next turn", async () => (await shoptrail())?.flush()),
  button("New visitor", "Forget this visit, empty the cart, start at the first page", startAnew),
  raw,
);
for (const place of [numbers, acts, advice, known]) place.hidden = true;
const body = h("div", { class: "body", id: "body", tabindex: 0, role: "region", "aria-label": "Record of this visit" },
  h("header", { class: "head" },
    h("h2", { text: "What Shoptrail knows of this visit" }),
    h("p", { class: "head-line" }, session, fresh),
  ),
  notice, numbers, acts, tries, advice, known);

function setOpen(open) {
  host.classList.toggle("is-open", open);
  toggle.setAttribute("aria-expanded", String(open));
  kept(OPEN_KEY, open ? "open" : "closed");
}

toggle.addEventListener("click", () => setOpen(!host.classList.contains("is-open")));
tree.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && host.classList.contains("is-open")) {
    setOpen(false);
    toggle.focus();
  }
});
setOpen(kept(OPEN_KEY) === "open");

/** A section is drawn anew only when what it shows has changed, so that nothing moves that somebody reads or has focused. */
function drawer(place, make) {
  let drawn;
  return (...state) => {
    const key = JSON.stringify(state);
    if (key === drawn) return;
    drawn = key;
    const focused = place.contains(tree.activeElement) && tree.activeElement.localName;
    place.replaceChildren(...[make(...state)].flat().filter(Boolean));
    if (focused) place.querySelector(focused)?.focus({ preventScroll: true });
  };
}

const drawNotice = drawer(notice, (state) =>
  state.tracked ? (state.reachable ? null : unreachable(state.online)) : notTracked(state.why));
const drawNumbers = drawer(numbers, figures);
const drawAdvice = drawer(advice, askAi);
const drawTries = drawer(tries, suggestions);
const drawKnown = drawer(known, record);

function draw(state) {
  host.classList.toggle("is-stale", !state.reachable);
  session.textContent = state.tracked ? `visit ${state.id.slice(0, 8)}` : "no visit";
  if (state.tracked) session.title = state.id;
  const updatedAt = state.data?.session?.updatedAt;
  const live = state.tracked && state.reachable;
  fresh.textContent = !live ? "" : updatedAt ? `stored ${age(updatedAt)}` : "nothing stored yet";
  const totals = state.data?.session?.totals?.events;
  summary.textContent = !state.tracked ? "nothing recorded" : !state.reachable ? "not answering" : `${totals ?? 0} events stored`;
  if (state.tracked) raw.href = `/demo/api/sessions/${encodeURIComponent(state.id)}`;
  drawNotice({ tracked: state.tracked, reachable: state.reachable, online: navigator.onLine, why: state.why });
  for (const place of [numbers, acts, advice, known]) place.hidden = !state.tracked;
  if (!state.tracked) return drawTries(null);
  drawNumbers(state.data ?? {});
  drawAdvice(state.data?.preview ?? null, state.data?.decisions ?? []);
  drawTries(progressOf(state.data ?? {}));
  drawKnown(state.data ?? {});
  for (const time of tree.querySelectorAll("time")) time.textContent = age(Date.parse(time.dateTime));
}

/** How long ago, in the few characters that a list has for it. */
function age(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

/** The style is there, or does not come: until then nothing is shown that it would move. */
function styled() {
  return new Promise((done) => {
    tree.append(h("link", { rel: "stylesheet", href: "/demo/assets/panel.css", on: { load: done, error: done } }));
  });
}

const send = () => document.visibilityState === "visible" && window.Shoptrail?.flush();

const feed = new Feed(draw);
styled().then(async () => {
  tree.append(toggle, body);
  await endVisitIfWished();
  feed.start();
  setTimeout(send, FIRST_SEND_MS);
  setInterval(send, SEND_MS);
});
