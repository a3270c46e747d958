// What popups bring: sessions that were given one, against those that were held out at random.

import { bar } from "./bars.js";
import { nothing } from "./card.js";
import { el, unseen } from "./dom.js";
import { count, percent, points, roundPercent } from "./format.js";
import { source } from "./words.js";

export function drawAskAi({ now: { askAi } }) {
  if (askAi.decisions === 0) return nothing("Ask AI was not asked in this range.");
  const { treatment, holdout, lift } = askAi;
  const most = Math.max(treatment.conversionRate ?? 0, holdout.conversionRate ?? 0);
  const rate = (name, id, group, color) =>
    el(
      "tr",
      { "data-group": id },
      el("th", { scope: "row" }, name, bar(most > 0 ? (group.conversionRate ?? 0) / most : 0, color)),
      el("td", { class: "number strong" }, group.sessions > 0 ? percent(group.conversionRate) : "–"),
      el("td", { class: "number" }, `${count(group.converted)} of ${count(group.sessions)}`),
    );
  return [
    el("p", { class: "verdict", "data-verdict": verdictOf(askAi).kind }, verdictOf(askAi).text),
    el(
      "table",
      { class: "rates" },
      el("caption", { class: "sr-only" }, "Sessions that led to an order"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Sessions that were"), el("th", { scope: "col", class: "number" }, "Converted"), el("th", { scope: "col", class: "number" }, "Of sessions"))),
      el("tbody", {}, rate("given a popup", "treatment", treatment, "series-1"), rate("held out", "holdout", holdout, "series-rest")),
    ),
    lift && drawLift(lift),
    drawCounts(askAi),
  ];
}

/** What the numbers say, in a sentence. */
export function verdictOf({ treatment, holdout, lift }) {
  if (treatment.sessions === 0) return { kind: "none", text: "No popup was given in this range." };
  if (holdout.sessions === 0) {
    return { kind: "none", text: "No session was held out in this range, so there is nothing to compare with. HOLDOUT_PERCENT sets their share." };
  }
  if (!lift) return { kind: "none", text: "There is nothing to compare yet." };
  if (lift.low > 0) {
    return { kind: "better", text: `Popups help: the share of sessions that convert is ${points(lift.difference)} points higher, and most likely by at least ${points(lift.low)}.` };
  }
  if (lift.high < 0) {
    return { kind: "worse", text: `Popups hurt: the share of sessions that convert is lower, ${points(lift.difference)} points, and most likely by at least ${points(lift.high)}.` };
  }
  return { kind: "unclear", text: "Too few sessions to tell: the difference may be chance." };
}

/** The difference of both rates on a line, with the interval in which it lies. */
function drawLift({ difference, low, high, confidence }) {
  const reach = Math.max(Math.abs(low), Math.abs(high), 0.01) * 1.1;
  const place = (value) => `${(((value + reach) / (2 * reach)) * 100).toFixed(2)}%`;
  const [range, dot] = [el("span", { class: "interval-range" }), el("span", { class: "interval-dot" })];
  range.style.insetInlineStart = place(low);
  range.style.insetInlineEnd = `${(100 - parseFloat(place(high))).toFixed(2)}%`;
  dot.style.insetInlineStart = place(difference);
  return el(
    "div",
    { class: "lift" },
    el(
      "p",
      {},
      el("strong", {}, `${points(difference)} points`),
      ` (${roundPercent(confidence)} interval ${points(low)} to ${points(high)})`,
    ),
    el(
      "div",
      { class: "interval", "aria-hidden": true },
      el("span", { class: "interval-zero" }),
      range,
      dot,
    ),
    el("p", { class: "interval-ends", "aria-hidden": true }, el("span", {}, points(-reach)), el("span", {}, "no difference"), el("span", {}, points(reach))),
  );
}

function drawCounts({ decisions, bySource, shown, dismissed, clicked, converted }) {
  const item = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, count(value)));
  const sources = Object.entries(bySource ?? {}).filter(([, number]) => number > 0);
  return [
    el("dl", { class: "counts" }, item("Asked", decisions), item("Shown", shown), item("Dismissed", dismissed), item("Clicked", clicked), item("Ordered", converted)),
    sources.length > 0 &&
      el("p", { class: "about" }, unseen("Decisions: "), sources.map(([name, number]) => `${count(number)} ${source(name)}`).join(" · ")),
  ];
}
