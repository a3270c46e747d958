// The range that is shown, and the one before it, in days of the browser's time zone.

import { days as dayRange, longDay, ZONE } from "./format.js";
import { DAYS } from "./view.js";

/** What the API takes at most. */
export const MOST_DAYS = 366;
/** What the API takes at most by the hour. */
export const MOST_DAYS_BY_HOUR = 31;
/** Up to here an hour is the better interval: two days of days would be two bars. */
const DAYS_BY_HOUR = 2;

/** A day's name, `2026-11-21`. */
export function dayName(date) {
  const pad = (number, length = 2) => String(number).padStart(length, "0");
  return `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** The midnight at which a day begins. */
export function dayStart(name) {
  const [year, month, day] = name.split("-").map(Number);
  return new Date(year, month - 1, day);
}

/** So many days later, at the same time of day. */
export function addDays(date, days) {
  const moved = new Date(date);
  moved.setDate(moved.getDate() + days);
  return moved;
}

/** How many days a range of days has. */
export function daysBetween(from, to) {
  const [first, last] = [from, to].map((name) => Date.parse(`${name}T00:00:00Z`));
  return Math.round((last - first) / 86_400_000) + 1;
}

/** What is wrong with a range of one's own, or null. */
export function problemOf(from, to) {
  if (from === "" || to === "") return "Choose both days.";
  if (to < from) return "The last day is before the first one.";
  if (daysBetween(from, to) > MOST_DAYS) return `At most ${MOST_DAYS} days can be shown at once.`;
  return null;
}

/**
 * The period of a view: `query` and `before` are the parameters of the API for it and for as many days before it, `days`
 * its length, `by` its interval, `words` what it is called, `utcDays` the days of UTC that it touches. A period that is still going on is compared with the same
 * part of the one before: a Monday morning against a whole Sunday would always be a loss.
 */
export function periodOf(view, now = new Date()) {
  const today = dayName(now);
  const isCustom = view.range === "custom";
  const last = isCustom ? view.to : today;
  const first = isCustom ? view.from : dayName(addDays(dayStart(today), 1 - DAYS[view.range]));
  const days = daysBetween(first, last);
  const isRunning = first <= today && today <= last;
  const before = {
    startDate: dayName(addDays(dayStart(first), -days)),
    endDate: isRunning ? addDays(now, -days).toISOString() : dayName(addDays(dayStart(first), -1)),
    timezone: ZONE,
  };
  const automatic = days <= DAYS_BY_HOUR ? "hour" : "day";
  const canBeHourly = days <= MOST_DAYS_BY_HOUR;
  return {
    first,
    last,
    days,
    now,
    canBeHourly,
    by: canBeHourly ? (view.by ?? automatic) : "day",
    query: { startDate: first, endDate: last, timezone: ZONE },
    before,
    // For what is counted by UTC days: all that the period has a part in.
    utcDays: { startDate: utcDay(dayStart(first)), endDate: utcDay(isRunning ? now : new Date(addDays(dayStart(last), 1) - 1)) },
    words: days === 1 ? longDay(dayStart(first)) : dayRange(dayStart(first), dayStart(last)),
    beforeWords: wordsBefore(days, isRunning),
  };
}

const utcDay = (date) => date.toISOString().slice(0, 10);

function wordsBefore(days, isRunning) {
  const what = days === 1 ? "the day before" : `the ${days} days before`;
  return isRunning ? `${what}, up to this time of day` : what;
}
