// The tracker's beginning: what is watched, and what a page may ask of it (`window.Shoptrail`).

import { ask, consider, renewTriggers, reportOrder, watchExit } from "./ask.js";
import { readCart, watchCart } from "./cart.js";
import { watchClicks } from "./clicks.js";
import { allowed, optOut, watchConsent } from "./consent.js";
import { guarded, on } from "./guard.js";
import { deliver, leave } from "./outbox.js";
import { discard, hasNews, onNewSession, record, seal } from "./recorder.js";
import { find, forget } from "./session.js";
import { keys, remove } from "./storage.js";
import { close, settle, turn, wake, watchTime } from "./time.js";
import { shownPage, view, watchViews } from "./views.js";

const FLUSH_MS = 15_000;
// How soon a reason to ask is noticed.
const LOOK_MS = 5_000;
const ORDER = "checkout_completed";

const turnPage = () => {
  turn();
  renewTriggers();
};

const look = () => {
  view(turnPage, true);
  readCart(true);
};

const watch = () => {
  watchTime();
  watchViews(turnPage);
  watchClicks();
  watchCart();
  watchExit();
  // Whoever was away for half an hour begins anew, with the page that is open.
  onNewSession(look);
  on(document, "visibilitychange", () => {
    if (document.visibilityState === "visible") {
      wake();
    } else {
      close("hidden");
    }
  });
  on(window, "pagehide", () => {
    close("pagehide");
    leave();
  });
  setInterval(guarded(consider), LOOK_MS);
  setInterval(
    guarded(() => {
      settle();
      if (hasNews()) {
        seal("interval_15s");
      }
      deliver();
    }),
    FLUSH_MS,
  );
};

/** Forgets all that is stored here, but the choice not to be tracked. */
const forgetAll = () => {
  discard();
  keys("").filter((key) => key !== "off").forEach(remove);
};

let isWatching = false;
const start = () => {
  if (!isWatching) {
    isWatching = true;
    watch();
  }
  look();
  // What the page before sent at its end has no witness.
  deliver();
};

const api = {
  /** Sends what there is; resolves to whether all of it has arrived. */
  flush: async () => {
    close("manual");
    return allowed() && deliver();
  },
  /** Records an event of the page's own. */
  track: guarded((type, data) => {
    record(shownPage(), type, data);
    if (type === ORDER) {
      reportOrder();
    }
  }),
  /** Asks Ask AI now; resolves to its decision, or null. */
  ask: () => ask().catch(() => null),
  /** The visit's id; null where nothing is recorded. */
  get session() {
    return allowed() ? find() : null;
  },
  /** Ends the visit; the next event begins another one. */
  reset: guarded(() => {
    close("session_end");
    forget();
    look();
  }),
  /** Records nothing more in this browser, and forgets what is stored in it. */
  optOut: guarded(() => {
    optOut();
    forgetAll();
  }),
};

guarded(() => {
  if (!window.Shoptrail) {
    window.Shoptrail = api;
    const begin = guarded(() => watchConsent(start, forgetAll));
    if (document.prerendering) {
      // Nobody sees the page yet, and perhaps nobody will.
      on(document, "prerenderingchange", begin);
    } else {
      begin();
    }
  }
})();
