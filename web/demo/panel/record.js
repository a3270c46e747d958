// What is stored: the cart's size, events, times, cart events and try-ons.

import { h } from "../lib/dom.js";
import { nothingYet } from "./states.js";
import { clock, duration, kindOf, pageName, tell } from "./words.js";

const EVENTS_SHOWN = 30;
const PAGES_SHOWN = 6;
const OTHERS_SHOWN = 8;

function when(at) {
  const instant = new Date(at);
  return Number.isNaN(instant.getTime()) ? "" : h("time", { datetime: instant.toISOString(), title: instant.toLocaleString() });
}

function section(title, count, ...children) {
  return h("section", { class: "section" },
    h("h3", {}, title, count !== undefined && h("span", { class: "count", text: count })),
    children,
  );
}

/** The visit in four figures. */
export function figures({ session, cartEvents = [], generations = [] }) {
  const figure = (value, label) => h("div", { class: "figure" }, h("dt", { text: label }), h("dd", { text: value }));
  const time = Object.values(session?.timeOnPage ?? {}).reduce((sum, millis) => sum + millis, 0);
  return h("dl", { class: "figures" },
    figure(session?.itemsInCart ?? 0, "in the cart"),
    figure(session?.totals?.events ?? 0, "events"),
    figure(clock(time), "in view"),
    figure(generations.length, "try-ons"),
  );
}

function events(session) {
  const all = Object.entries(session?.events ?? {})
    .flatMap(([page, list]) => list.map((event) => ({ page, event })))
    .sort((a, b) => b.event.ts - a.event.ts);
  const total = session?.totals?.events ?? all.length;
  return section("Events", total,
    all.length
      ? h("ol", { class: "events", role: "list" }, all.slice(0, EVENTS_SHOWN).map(({ page, event }) =>
        h("li", { class: `event is-${kindOf(event.type)}` },
          h("span", { class: "event-words", text: tell(event, page), title: `${event.type} on ${page}` }),
          when(event.ts),
        )))
      : nothingYet("What you do in the shop is collected in this browser and sent every 15 seconds. Or press “Send now”."),
    all.length > EVENTS_SHOWN && h("p", { class: "more", text: `and ${total - EVENTS_SHOWN} earlier` }),
  );
}

function times(session) {
  const pages = Object.entries(session?.timeOnPage ?? {}).filter(([, millis]) => millis > 0).sort((a, b) => b[1] - a[1]).slice(0, PAGES_SHOWN);
  const longest = pages[0]?.[1] ?? 1;
  return section("Time per page", undefined,
    pages.length
      ? h("ul", { class: "times", role: "list" }, pages.map(([page, millis]) => {
        const bar = h("span", { class: "bar", "aria-hidden": "true" });
        bar.style.inlineSize = `${Math.max(2, (100 * millis) / longest)}%`;
        return h("li", { title: page },
          h("span", { class: "times-page", text: pageName(page) }),
          h("span", { class: "times-value", text: duration(millis) }),
          h("span", { class: "track" }, bar),
        );
      }))
      : nothingYet("Counted only while the page is in view."),
  );
}

const ACTIONS = { add_to_cart: "Added", buy_now: "Buy it now", remove_from_cart: "Removed" };

function cartEvents(list = []) {
  return section("Cart events", list.length || undefined,
    list.length
      ? h("ul", { class: "stored", role: "list" }, list.slice(0, OTHERS_SHOWN).map((event) =>
        h("li", {},
          h("span", { class: "stored-words", text: `${ACTIONS[event.actionType] ?? event.actionType}: ${event.productTitle ?? event.productId ?? "a product"}` }),
          when(event.createdAt),
          h("code", { class: "stored-id", text: event.id }),
        )))
      : nothingYet("Each add-to-cart is also stored on its own, once, with an id."),
  );
}

function tryOns(list = []) {
  return section("Try-ons", list.length || undefined,
    list.length
      ? h("ul", { class: "stored", role: "list" }, list.slice(0, OTHERS_SHOWN).map((generation) =>
        h("li", {},
          h("span", { class: "stored-words", text: `Try-on generated: ${generation.productTitle ?? "a product"}${generation.status === "completed" ? "" : ` (${generation.status})`}` }),
          when(generation.createdAt),
          h("code", { class: "stored-id", text: generation.id }),
        )))
      : nothingYet("Nothing was tried on yet."),
  );
}

/** All that is stored, from the answer of `/demo/api/sessions/{id}`. */
export function record(data) {
  return [
    events(data.session),
    times(data.session),
    cartEvents(data.cartEvents),
    tryOns(data.generations),
  ];
}
