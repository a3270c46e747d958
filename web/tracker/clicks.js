// Clicks on what does something.

import { on } from "./guard.js";
import { cleanUrl } from "./location.js";
import { record } from "./recorder.js";
import { short } from "./text.js";
import { shownPage } from "./views.js";

const TARGETS = "a,button,summary,[role=button],[data-action],[type=submit],[type=button],[type=image]";
// What shoppers type may stand inside a target as well.
const TYPED = "input,textarea,select,[contenteditable]";

/** Records clicks: which element, and what it says; never what was typed. */
export const watchClicks = () =>
  on(document, "click", (event) => {
    const target = event.composedPath()[0].closest(TARGETS);
    if (target) {
      const isTyped = target.matches(TYPED) || target.isContentEditable || target.querySelector(TYPED);
      record(shownPage(), "click", {
        tag: target.tagName.toLowerCase(),
        id: short(target.id),
        text: short(target.getAttribute("aria-label")) ?? (isTyped ? undefined : short(target.textContent)),
        action: short(target.dataset.action),
        href: target.getAttribute("href") ? cleanUrl(target.href) : undefined,
      });
    }
  });
