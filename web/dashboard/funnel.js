// From the visit to the checkout: how many get how far.

import { bar } from "./bars.js";
import { createChartBox } from "./chart-box.js";
import { nothing } from "./card.js";
import { el } from "./dom.js";
import { count, percent, roundPercent } from "./format.js";
import { begun, pointsOf } from "./over-time.js";
import { step } from "./words.js";

const share = (part, whole) => (whole === 0 ? 0 : part / whole);

export function drawFunnel({ now: { funnel }, period }) {
  const { steps } = funnel;
  const all = steps[0]?.visitors ?? 0;
  if (all === 0) return nothing("No visitors in this range.");
  const table = el(
    "table",
    { class: "funnel" },
    el("caption", { class: "sr-only" }, "Visitors who reached each step"),
    el(
      "thead",
      {},
      el("tr", {}, el("th", { scope: "col" }, "Step"), el("th", { scope: "col", class: "number" }, "Visitors"), el("th", { scope: "col", class: "number" }, "Of the step before")),
    ),
    el(
      "tbody",
      {},
      steps.map(({ name, visitors }, index) =>
        el(
          "tr",
          { "data-step": name },
          el("th", { scope: "row" }, step(name), bar(share(visitors, all), index === steps.length - 1 ? "series-2" : "series-1")),
          el("td", { class: "number strong" }, count(visitors)),
          el("td", { class: "number" }, index === 0 ? "–" : percent(share(visitors, steps[index - 1].visitors))),
        )),
    ),
  );
  return [table, drawConversion(funnel, period)];
}

/** The share of each interval's visitors that reached the checkout. */
function drawConversion({ series }, period) {
  const shown = begun(series, period.now);
  if (shown.length < 2) return null;
  const values = shown.map(({ steps }) => share(steps.at(-1)?.visitors ?? 0, steps[0]?.visitors ?? 0));
  return el(
    "div",
    { class: "below" },
    el("h3", {}, `Conversion by ${period.by}`),
    createChartBox({
      type: "line",
      summary: `The share of visitors who reached the checkout, by ${period.by}: between ${percent(Math.min(...values))} and ${percent(Math.max(...values))}.`,
      pointsName: period.by === "day" ? "Day" : "Hour",
      points: pointsOf(shown, period.by, period.days),
      series: [{ name: "Conversion", color: "series-2", values }],
      format: percent,
      axis: roundPercent,
      most: 0.05,
    }),
  );
}
