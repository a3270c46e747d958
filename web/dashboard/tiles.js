// The numbers at a glance, each against the period before.

import { el, unseen } from "./dom.js";
import { count, percent, roundPercent } from "./format.js";
import { countOf } from "./words.js";

const action = (name) => ({ totals }) => countOf(totals.byAction, name);
/** Which part of the events an action is. */
const shareOf = (name) => (now) => (now.totals.events === 0 ? "of no events" : `${roundPercent(action(name)(now) / now.totals.events)} of the events`);
const visitors = ({ funnel }, step) => funnel.steps.find(({ name }) => name === step)?.visitors ?? 0;
/** The share of visitors who reached the checkout. */
const conversion = (analytics) => {
  const all = visitors(analytics, "session");
  return all === 0 ? 0 : visitors(analytics, "checkout") / all;
};

const TILES = [
  { id: "events", name: "Cart events", value: ({ totals }) => totals.events, about: () => "all actions together" },
  { id: "add_to_cart", name: "Added to cart", value: action("add_to_cart"), about: shareOf("add_to_cart") },
  { id: "buy_now", name: "Bought at once", value: action("buy_now"), about: shareOf("buy_now") },
  { id: "sessions", name: "Sessions", value: ({ totals }) => totals.sessions, about: () => "with a cart event" },
  { id: "customers", name: "Customers", value: ({ totals }) => totals.customers, about: () => "known by id or e-mail" },
  {
    id: "conversion",
    name: "Conversion",
    value: conversion,
    format: percent,
    about: (now) => `${count(visitors(now, "checkout"))} of ${count(visitors(now, "session"))} visitors`,
  },
];

/**
 * The tiles of `now`, against `before`, which is null where it could not be loaded, and undefined until it is; `words` are
 * what that period is called.
 */
export function drawTiles({ now, before, words }) {
  return el("ul", { class: "tiles" }, TILES.map((tile) => drawTile(tile, now, before, words)));
}

function drawTile({ id, name, value, format = count, about }, now, before, words) {
  const current = value(now);
  return el(
    "li",
    { class: "tile card", "data-tile": id },
    el("h3", {}, name),
    el("p", { class: "figure" }, format(current)),
    before === undefined && el("p", { class: "change comparing" }, "Comparing…"),
    before === null && el("p", { class: "change" }, "Nothing to compare with: that did not load"),
    before && drawChange(current, value(before), format, words),
    el("p", { class: "about" }, about(now)),
  );
}

/** How a number changed: by a sign and a word, since colours alone tell not everybody. */
export function changeOf(current, earlier) {
  if (current === earlier) return { direction: "same", sign: "=", word: "unchanged" };
  if (earlier === 0) return { direction: "up", sign: "▲", word: "new" };
  const ratio = (current - earlier) / earlier;
  const size = roundPercent(Math.abs(ratio));
  return ratio > 0 ? { direction: "up", sign: "▲", word: `up ${size}` } : { direction: "down", sign: "▼", word: `down ${size}` };
}

function drawChange(current, earlier, format, words) {
  const { direction, sign, word } = changeOf(current, earlier);
  return el(
    "p",
    { class: "change", "data-direction": direction },
    el("span", { class: "chip" }, el("span", { "aria-hidden": true }, sign), ` ${word}`),
    el("span", { class: "earlier", title: `In ${words}` }, `from ${format(earlier)}`, unseen(` in ${words}`)),
  );
}
