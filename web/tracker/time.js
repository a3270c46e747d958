// How long a page was seen: only while it is visible and somebody is there.

import { on } from "./guard.js";
import { addTime, seal } from "./recorder.js";
import { IDLE_MS, touch } from "./session.js";
import { shownPage } from "./views.js";

// When the time that is not counted yet began; undefined while nobody sees the page.
let since;
let input = performance.now();
// Visible time on the page since it was opened.
let dwell = 0;

/** Milliseconds since the shopper last moved, typed or scrolled. */
export const idle = () => performance.now() - input;

/** Milliseconds for which the page was seen since it was opened. */
export const seen = () => dwell;

/** Counts the time up to now. */
export const settle = () => {
  const now = performance.now();
  if (since !== undefined) {
    // A page left open over night is not looked at all night.
    const ms = Math.min(now, input + IDLE_MS) - since;
    if (ms > 0) {
      dwell += ms;
      addTime(shownPage(), ms);
    }
  }
  since = document.visibilityState === "visible" ? now : undefined;
};

/** Makes a message of all that there is up to now. */
export const close = (reason) => {
  settle();
  seal(reason);
};

/** Ends the time of one page and begins that of the next. */
export const turn = () => {
  settle();
  dwell = 0;
};

/** Somebody has turned to the page. */
export const wake = () => {
  settle();
  touch();
  input = performance.now();
};

/** Watches for signs of somebody being there. */
export const watchTime = () => {
  on(window, "pointerdown pointermove keydown scroll", () => {
    // Whoever comes back after half an hour begins a new visit, at the next event.
    if (idle() > 1_000) {
      wake();
    }
  });
  settle();
};
