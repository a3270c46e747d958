// Cart events by day or hour, stacked by action.

import { createChartBox } from "./chart-box.js";
import { nothing } from "./card.js";
import { count, longDay, longHour, shortDay, shortHour } from "./format.js";
import { SERIES_COLORS, seriesColor } from "./theme.js";
import { action, countOf } from "./words.js";

/** These have the same place and colour whatever happened; others follow by how often they did. */
const FIRST = ["add_to_cart", "buy_now", "remove_from_cart"];

/** What has begun of a series: the rest of today is no dip. */
export function begun(series, now) {
  return series.filter(({ start }) => new Date(start) <= now);
}

/** The words of a chart's points. */
export function pointsOf(series, by, days) {
  return series.map(({ start }) => {
    const date = new Date(start);
    if (by === "day") return { short: shortDay(date), long: longDay(date) };
    return { short: days === 1 ? shortHour(date) : longHour(date), long: longHour(date) };
  });
}

/** The actions of a chart: as many as there are colours, and one more series for the rest. */
export function actionsOf(byAction) {
  const known = FIRST.filter((name) => countOf(byAction, name) > 0);
  const others = Object.keys(byAction).filter((name) => !FIRST.includes(name) && byAction[name] > 0);
  others.sort((a, b) => byAction[b] - byAction[a] || (a < b ? -1 : 1));
  const [own, rest] = [others.slice(0, SERIES_COLORS - FIRST.length), others.slice(SERIES_COLORS - FIRST.length)];
  const seriesOf = (name, place) => ({ name: action(name), color: seriesColor(place), of: (counts) => countOf(counts, name) });
  const series = [
    ...known.map((name) => seriesOf(name, FIRST.indexOf(name))),
    ...own.map((name, index) => seriesOf(name, FIRST.length + index)),
  ];
  if (rest.length > 0) {
    const of = (counts) => rest.reduce((sum, name) => sum + countOf(counts, name), 0);
    series.push({ name: `${count(rest.length)} more`, color: "series-rest", of });
  }
  return series;
}

export function drawOverTime({ now: { totals, series }, period }) {
  if (totals.events === 0) return nothing("No cart events in this range.");
  const shown = begun(series, period.now);
  const peak = shown.reduce((best, point) => (point.events > best.events ? point : best), shown[0]);
  const [peakPoint] = pointsOf([peak], period.by, period.days);
  return createChartBox({
    type: "bar",
    stacked: true,
    summary: `${count(totals.events)} cart events by ${period.by} and action; the most, ${count(peak.events)}, on ${peakPoint.long}.`,
    pointsName: period.by === "day" ? "Day" : "Hour",
    points: pointsOf(shown, period.by, period.days),
    series: actionsOf(totals.byAction).map(({ name, color, of }) => ({ name, color, values: shown.map(({ byAction }) => of(byAction)) })),
  });
}
