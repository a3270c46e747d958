// The tracker, as the shop uses it. Its tag is deferred and a blocker may stop it, so nobody may count on it.

/** How long to wait for the tracker; the page does without it after that. */
const WAIT_MS = 5_000;
const LOOK_MS = 50;

/** `window.Shoptrail` as soon as it is there, or null where it does not come. */
export async function shoptrail() {
  for (let waited = 0; !window.Shoptrail && waited < WAIT_MS; waited += LOOK_MS) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  return window.Shoptrail ?? null;
}

/** Records an event of the shop's own. */
export async function track(type, data) {
  (await shoptrail())?.track(type, data);
}
