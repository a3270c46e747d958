// A number as a length. Only for the eye: the number itself stands beside it.

import { el } from "./dom.js";

/** A bar that fills `share` (0 to 1) of its room, in the colour with this name. */
export function bar(share, color = "series-1") {
  const filled = el("span", {});
  // What there is at all is seen, however little it is.
  if (share > 0) filled.className = "some";
  filled.style.inlineSize = `${(Math.min(Math.max(share, 0), 1) * 100).toFixed(2)}%`;
  filled.style.backgroundColor = `var(--${color})`;
  return el("span", { class: "meter", "aria-hidden": true }, filled);
}
