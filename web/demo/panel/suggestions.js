// What a first visitor may try. Each line is ticked by what the backend stored, not by what was clicked here.

import { h } from "../lib/dom.js";

/** From these on the rules speak: `PRODUCT_DWELL_MS` and `LARGE_CART_ITEMS` of the backend's advisor. */
const DWELL_MS = 90_000;
const CART_ITEMS = 5;
const HIDDEN_KEY = "demo.suggestions";

function longestLook(session) {
  return Object.entries(session?.timeOnPage ?? {})
    .filter(([page]) => page.includes("/products/"))
    .reduce((longest, [, millis]) => Math.max(longest, millis), 0);
}

function spokeOf(decisions, trigger) {
  return (decisions ?? []).some((decision) => decision.show_popup && decision.trigger === trigger);
}

function suggestion(done, title, text, state) {
  return h("li", { class: done ? "suggestion is-done" : "suggestion" },
    h("p", {}, h("strong", { text: title }), done && h("span", { class: "done", text: "done" }), !done && state && h("span", { class: "state", text: state })),
    h("p", { text }),
  );
}

function wasClosed() {
  try {
    return localStorage.getItem(HIDDEN_KEY) === "closed";
  } catch {
    return false;
  }
}

function remember(open) {
  try {
    localStorage.setItem(HIDDEN_KEY, open ? "open" : "closed");
  } catch {
    // It opens again on the next page.
  }
}

/** How far this visit has come with each suggestion, from the answer of `/demo/api/sessions/{id}`. */
export function progressOf(data) {
  return {
    lookSeconds: Math.min(DWELL_MS, longestLook(data.session)) / 1000 | 0,
    items: Math.min(CART_ITEMS, data.session?.itemsInCart ?? 0),
    spoke: spokeOf(data.decisions, "items_in_cart"),
    triedOn: (data.generations ?? []).length > 0,
  };
}

/** What to try; nothing where nothing is recorded. */
export function suggestions(progress) {
  if (!progress) return null;
  const { lookSeconds, items, spoke, triedOn } = progress;
  const wanted = DWELL_MS / 1000;
  const details = h("details", { class: "tries", open: !wasClosed() },
    h("summary", { text: "Try this" }),
    h("p", { text: "Browse the shop; this panel reads back what the backend stored of it, live." }),
    h("ol", { class: "suggestions" },
      suggestion(lookSeconds >= wanted, "Look at one product", "With an empty cart, stay on its page for a minute and a half: somebody so interested may have a question.", lookSeconds > 0 && `${lookSeconds} of ${wanted} s`),
      suggestion(spoke, "Hesitate over a full cart", "Put five things into the cart, wait half a minute, then move the mouse out at the top of the window, as if to leave. Or touch nothing for a minute.", items > 0 && `${items} of ${CART_ITEMS}`),
      suggestion(triedOn, "Try something on", "Shirts, jackets, dresses and hats can be tried on, and each try is stored with the visit."),
    ),
    h("p", { text: "Then open a second tab: both count as one visit. Or go offline, click around and come back: nothing is lost, nothing counts twice. “New visitor” starts all over." }),
  );
  details.addEventListener("toggle", () => remember(details.open));
  return details;
}
