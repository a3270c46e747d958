// Colours for canvas, which knows no style sheet: read from the page's own, again when it turns dark or light.

const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** How many colours there are for series of a chart. */
export const SERIES_COLORS = 6;

/** The value of a custom property of the page's style, by its name without dashes. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The name of the colour of a series, counted from 0. */
export const seriesColor = (index) => `series-${index + 1}`;

/** Whether somebody asked for less motion. */
export const isStill = () => still.matches;

/** Calls `redraw` whenever colours or motion change. */
export function onThemeChange(redraw) {
  dark.addEventListener("change", redraw);
  still.addEventListener("change", redraw);
}
