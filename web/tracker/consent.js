// Whether the shopper lets us. Without a yes nothing is stored and nothing is sent.

import { guarded } from "./guard.js";
import { read, write } from "./storage.js";

// Undefined until somebody has said something.
let granted;

/** Whether events may be recorded now. */
export const allowed = () => granted === true && !refused();

/** The browser's own signals, and the choice that was made here. */
const refused = () =>
  navigator.globalPrivacyControl === true ||
  navigator.doNotTrack === "1" ||
  read("off");

/** Remembers that this shopper wants no tracking, which is all that is remembered then. */
export const optOut = () => write("off", 1);

/** Calls `start` once there is consent, and `stop` where there is none, which may have been another on the page before. */
export const watchConsent = (start, stop) => {
  const decide = guarded((answer) => {
    const before = allowed();
    granted = answer;
    if (!allowed()) {
      stop();
    } else if (!before) {
      start();
    }
  });
  document.addEventListener("visitorConsentCollected", (event) => decide(event.detail?.analyticsAllowed === true));

  const shopify = window.Shopify;
  const ask = () => decide(shopify.customerPrivacy.analyticsProcessingAllowed() === true);
  if (shopify?.customerPrivacy) {
    ask();
  } else if (shopify?.loadFeatures) {
    // Whoever cannot be asked has not said yes.
    shopify.loadFeatures(
      [{ name: "consent-tracking-api", version: "0.1" }],
      guarded((error) => error || ask()),
    );
  } else {
    // No shop of Shopify's, so nobody to ask: whoever puts the tag into the page answers for it.
    decide(true);
  }
};
