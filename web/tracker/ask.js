// When to ask Ask AI for a word, and what became of it.

import { cartItems } from "./cart.js";
import { allowed } from "./consent.js";
import { guarded, on } from "./guard.js";
import { deliver, post, request } from "./outbox.js";
import { isOpen, show } from "./popup.js";
import { earlier, find } from "./session.js";
import { popup } from "./settings.js";
import { read, remove, write } from "./storage.js";
import { close, idle, seen } from "./time.js";

// A cart left alone for so long is looked at by nobody, or with doubt.
const CART_IDLE_MS = 60_000;
// As long as Ask AI's own rules take for an interest in one product.
const DWELL_MS = 90_000;
const PAUSE_MS = 60_000;
const NEXT = "ask";
const DECISION = "decision";

// What was asked for on this page already.
const asked = new Set();
let asking;

/** A new page: everything may be asked for again. */
export const renewTriggers = () => asked.clear();

/** Asks, if something is a reason to. */
export const consider = () => {
  if (cartItems() > 0 && idle() >= CART_IDLE_MS) {
    trigger("cart_idle");
  } else if (seen() >= DWELL_MS) {
    trigger("dwell");
  }
};

/** Watches for shoppers who are about to leave. */
export const watchExit = () =>
  on(document, "mouseout", (event) => {
    if (!event.relatedTarget && event.clientY <= 0 && matchMedia("(pointer: fine)").matches) {
      trigger("exit_intent");
    }
  });

const trigger = (reason) => {
  const isTime = !asked.has(reason) && Date.now() >= (read(NEXT) ?? 0);
  if (isTime && !popup.off && isWelcome()) {
    asked.add(reason);
    ask().catch(() => {});
  }
};

/** Asks now; resolves to the decision, and shows the popup if that says so. */
export const ask = async () => {
  if (!allowed() || asking) {
    return null;
  }
  asking = true;
  try {
    write(NEXT, Date.now() + PAUSE_MS);
    // The decision is about what the backend knows.
    close("ask");
    await deliver();
    const session = find();
    const answer = await request("askai", JSON.stringify({ session, earlier: earlier() }));
    if (!answer.ok) {
      return null;
    }
    const decision = await answer.json();
    if (decision.trigger === "holdout") {
      // Whoever sees no popup may order all the same: that is what popups are measured against.
      write(DECISION, { session, id: decision.decisionId });
    }
    if (decision.show_popup === true && decision.message) {
      setTimeout(guarded(present), decision.delay_ms, session, decision);
    }
    return decision;
  } finally {
    asking = false;
  }
};

const present = (session, { decisionId, message }) => {
  if (allowed() && isWelcome()) {
    const report = (outcome) => reportOutcome(session, decisionId, outcome);
    show(`${message}`, cartItems() > 0, report);
    write(DECISION, { session, id: decisionId });
    report("shown");
  }
};

/** Reports an order, where a popup came before it, or would have come. */
export const reportOrder = () => {
  const decision = read(DECISION);
  if (decision) {
    remove(DECISION);
    reportOutcome(decision.session, decision.id, "converted");
  }
};

const reportOutcome = (session, decisionId, outcome) =>
  post("askai/outcome", JSON.stringify({ session, decisionId, outcome }));

/** Whether a popup would disturb nobody now. */
const isWelcome = () => {
  // Themes keep closed drawers on the page.
  const isVisible = (element) => element.checkVisibility?.({ visibilityProperty: true });
  return (
    document.visibilityState === "visible" &&
    !/\/checkouts?\b/.test(location.pathname) &&
    !isOpen() &&
    // Nobody is typing.
    !document.activeElement?.matches(":read-write") &&
    ![...document.querySelectorAll("dialog[open],[aria-modal=true]")].some(isVisible)
  );
};
