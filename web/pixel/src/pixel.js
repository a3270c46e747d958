// What happens to each event, from Shopify's subscription to the outbox.

import { conversionOf, isSeenByTracker, messagesOf } from "./events.js";
import { admit, EVENT_NAMES } from "./scrub.js";
import { openOutbox } from "./send.js";
import { openSessions } from "./session.js";
import { readSettings } from "./settings.js";
import { DECISION_KEY, OFF_KEY, openStorage } from "./storage.js";

/** How long a visit's first event waits for a tracker to show itself; its script may still be loading. */
export const TRACKER_GRACE_MS = 1_000;

/** @typedef {import("./scrub.js").StandardEvent} StandardEvent */
/** @typedef {import("./scrub.js").AdmittedEvent} AdmittedEvent */

/** @param {import("@shopify/web-pixels-extension").ExtensionApi} api */
export function startPixel({ analytics, browser, customerPrivacy, init, settings }) {
  const config = readSettings(settings, init);
  if (!config) return;
  const { endpoint, mode, store } = config;
  const now = () => Date.now();
  const storage = openStorage(browser.localStorage);
  const sessions = openSessions(storage, now);

  let hasConsent = init.customerPrivacy?.analyticsProcessingAllowed === true;
  const isAllowed = () => hasConsent && !isPrivacyAsked();
  const outbox = openOutbox({ endpoint, storage, now, isAllowed });

  // One after the other: the first event of a visit makes the session that the second one uses.
  let work = Promise.resolve();
  /** @param {() => Promise<void>} step */
  const enqueue = (step) => {
    work = work.then(step).catch(() => {
      // An event that cannot be recorded must not keep the next one from it, nor show in the shop.
    });
  };

  customerPrivacy?.subscribe("visitorConsentCollected", (event) => {
    hasConsent = event?.customerPrivacy?.analyticsProcessingAllowed === true;
    if (!hasConsent) enqueue(forget);
  });
  for (const name of EVENT_NAMES) {
    analytics.subscribe(name, (/** @type {StandardEvent} */ event) => enqueue(() => record(event)));
  }

  /** @param {StandardEvent} raw */
  async function record(raw) {
    if (!isAllowed() || (await storage.read(OFF_KEY)) !== null) return;
    const event = admit(raw, now());
    // Both may take a while, in which consent may go.
    if (!event || !(await isOurs(event)) || !isAllowed()) return;
    const sender = { session: await sessions.use(), store, now: now() };
    const messages = messagesOf(event, sender);
    if (event.name === "checkout_completed") {
      const { session, id } = await storage.readObject(DECISION_KEY);
      if (session === sender.session && typeof id === "string") {
        messages.push(conversionOf(event, { ...sender, decisionId: id }));
      }
    }
    // Not awaited: a slow server must not hold up the next event.
    void outbox.send(messages);
  }

  /**
   * Whether the pixel is to record what a tracker in the theme would record as well.
   * @param {AdmittedEvent} event
   */
  async function isOurs(event) {
    if (mode === "all" || !isSeenByTracker(event)) return true;
    if (mode === "checkout") return false;
    let session = await sessions.find();
    if (!session) {
      await new Promise((resolve) => setTimeout(resolve, TRACKER_GRACE_MS));
      session = await sessions.find();
    }
    // A session without a tracker is one that the pixel began: it need not wait again.
    return !session?.tracker;
  }

  async function forget() {
    outbox.stop();
    await sessions.forget();
    await storage.updateState(() => null);
  }
}

/** Global Privacy Control, which the tracker obeys as well; workers tell it in the browsers that have it. */
function isPrivacyAsked() {
  const asked = /** @type {{ globalPrivacyControl?: unknown }} */ (globalThis.navigator ?? {});
  return asked.globalPrivacyControl === true;
}
