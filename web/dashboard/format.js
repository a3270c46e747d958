// Numbers, days and times, as the browser's language writes them.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const fraction = new Intl.NumberFormat(undefined, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const rounded = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const signed = new Intl.NumberFormat(undefined, {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  signDisplay: "exceptZero",
});
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const wholeDay = new Intl.DateTimeFormat(undefined, { weekday: "short", month: "short", day: "numeric", year: "numeric" });
const range = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", year: "numeric" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndHour = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The browser's time zone by its IANA name. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** `12,345` */
export const count = (number) => whole.format(number);
/** `12.3K`, for axes */
export const short = (number) => compact.format(number);
/** A share of 1: `12.3%` */
export const percent = (share) => fraction.format(share);
/** A share of 1 without decimals: `12%` */
export const roundPercent = (share) => rounded.format(share);
/** A difference of two shares: `+5.0` points */
export const points = (difference) => signed.format(difference * 100);
/** `Nov 21` */
export const shortDay = (date) => day.format(date);
/** `Sat, Nov 21, 2026` */
export const longDay = (date) => wholeDay.format(date);
/** `Oct 23 – Nov 21, 2026` */
export const days = (first, last) => range.formatRange(first, last);
/** `14:00` */
export const shortHour = (date) => hour.format(date);
/** `Nov 21, 14:00` */
export const longHour = (date) => dayAndHour.format(date);
/** `14:00:59` */
export const time = (date) => clock.format(date);
/** `Nov 21, 2026, 14:00:59` */
export const dateTime = (date) => moment.format(date);

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** A span of time in its two largest units: `1 h 5 min`, `12 s`; below a second `350 ms`. */
export function duration(ms) {
  if (ms < 1000) return `${count(ms)} ms`;
  const first = UNITS.findIndex(([, size]) => ms >= size);
  let rest = ms;
  const parts = UNITS.slice(first, first + 2).map(([unit, size]) => {
    const units = Math.floor(rest / size);
    rest -= units * size;
    return units > 0 ? `${units} ${unit}` : "";
  });
  return parts.filter(Boolean).join(" ");
}

const SIZES = ["bytes", "KB", "MB", "GB"];

/** `3.4 MB` */
export function bytes(size) {
  const power = size < 1000 ? 0 : Math.min(Math.floor(Math.log10(size) / 3), SIZES.length - 1);
  const value = size / 1000 ** power;
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: power === 0 ? 0 : 1 }).format(value)} ${SIZES[power]}`;
}
