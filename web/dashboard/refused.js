// What was sent and not stored, by reason, so that merchants see what they lose.

import { bar } from "./bars.js";
import { nothing } from "./card.js";
import { el } from "./dom.js";
import { count } from "./format.js";
import { refusal } from "./words.js";

/** The refusals of some days as counts by reason, the most frequent first. */
export function sumReasons(days) {
  const sums = new Map();
  for (const { reasons } of days) {
    for (const [reason, number] of Object.entries(reasons)) sums.set(reason, (sums.get(reason) ?? 0) + number);
  }
  return [...sums].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

export function drawRefused({ days }) {
  const reasons = sumReasons(days);
  if (reasons.length === 0) return nothing("Everything that was sent in this range was stored.");
  const most = reasons[0][1];
  return [
    el(
      "table",
      { class: "refused" },
      el("caption", { class: "sr-only" }, "Events that were not stored"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Reason"), el("th", { scope: "col", class: "number" }, "Events"))),
      el(
        "tbody",
        {},
        reasons.map(([reason, number]) => {
          const [name, meaning] = refusal(reason);
          return el(
            "tr",
            { "data-reason": reason },
            el("th", { scope: "row" }, name, el("span", { class: "about" }, meaning), bar(number / most, "series-4")),
            el("td", { class: "number strong" }, count(number)),
          );
        }),
      ),
    ),
    el("p", { class: "about" }, "Counted by UTC day, and some seconds late."),
  ];
}
