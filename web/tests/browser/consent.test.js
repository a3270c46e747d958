// Without consent nothing is stored and nothing is sent; with it, everything; after its withdrawal, nothing again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findSession } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { pause } from "../support/wait.js";

const shop = await openShop();

/** Shopify's consent API as its own script has it once it is loaded. */
const CUSTOMER_PRIVACY = `
  window.Shopify.customerPrivacy = {
    analyticsProcessingAllowed: () => window.allowed === true,
    marketingAllowed: () => window.allowed === true,
    preferencesProcessingAllowed: () => window.allowed === true,
    saleOfDataAllowed: () => window.allowed === true,
    shouldShowBanner: () => true,
    getRegion: () => "DE",
  };`;
/** A page that has to ask for the API before it has it. */
const LOADED_LATER = `
  window.Shopify.loadFeatures = (features, done) => setTimeout(() => {
    if (features.some(({ name }) => name === "consent-tracking-api")) { ${CUSTOMER_PRIVACY} }
    done?.(undefined);
  }, 50);`;
const NO_CONSENT = {
  "Global Privacy Control": {
    init: () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { configurable: true, get: () => true }),
  },
  "Do Not Track": {
    init: () => Object.defineProperty(Navigator.prototype, "doNotTrack", { configurable: true, get: () => "1" }),
  },
  "Shopify's consent API": { script: CUSTOMER_PRIVACY },
  "Shopify's consent API, loaded late": { script: LOADED_LATER },
};

const decide = (page, analyticsAllowed) =>
  page.evaluate((analyticsAllowed) => {
    window.allowed = analyticsAllowed;
    document.dispatchEvent(
      new CustomEvent("visitorConsentCollected", {
        detail: { analyticsAllowed, marketingAllowed: analyticsAllowed, preferencesAllowed: analyticsAllowed, saleOfDataAllowed: analyticsAllowed },
      }),
    );
  }, analyticsAllowed);

const sent = (visit) => visit.wire.requests.filter(({ path }) => path !== "/tracker.js").map(({ path }) => path);

async function nothingLeft(visit) {
  const { local, session, cookies } = await visit.kept();
  assert.deepEqual({ local, session, cookies }, { local: {}, session: {}, cookies: [] });
}

for (const [what, { init, script }] of Object.entries(NO_CONSENT)) {
  test(`nothing is stored or sent where consent is refused: ${what}`, async (t) => {
    const visit = await shop.visit(t, { script, clock: true });
    if (init) await visit.context.addInitScript(init);
    await visit.goto("/");
    await pause(150);
    await visit.page.clock.runFor(20_000);
    await visit.page.click("#plain");
    await visit.page.evaluate(async () => {
      Shoptrail.track("newsletter", { list: "news" });
      await Shoptrail.flush();
      await Shoptrail.ask?.();
      history.pushState({}, "", "/pages/pushed");
      await fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) });
    });
    await visit.page.clock.fastForward(120_000);
    await nothingLeft(visit);
    await visit.goto("/products/linen-shirt");
    await visit.page.click("#add");
    await visit.page.waitForURL("**/cart");
    assert.equal(await visit.session(), null, "there is no session to name");
    await nothingLeft(visit);
    await visit.page.close();
    await pause(200);
    assert.deepEqual(sent(visit), []);
  });
}

test("what is granted later is recorded from then on", async (t) => {
  const visit = await shop.visit(t, { script: CUSTOMER_PRIVACY });
  await visit.goto("/");
  await visit.page.click("#plain");
  await decide(visit.page, true);
  await visit.page.click("#plain");
  await visit.page.click("#swatch");
  await visit.flush();
  const record = await visit.recorded({ page_view: 1, click: 2 });
  assert.equal(record.events["/"].filter(({ type }) => type === "page_view").length, 1);
});

test("what is granted where the API comes late is recorded", async (t) => {
  const visit = await shop.visit(t, { script: `${LOADED_LATER} window.allowed = true;` });
  await visit.goto("/");
  await visit.page.waitForFunction(() => Shoptrail.session !== null);
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 1, click: 1 });
});

test("a withdrawal forgets what the browser keeps, and ends everything", async (t) => {
  const visit = await shop.visit(t, { script: `window.allowed = true; ${CUSTOMER_PRIVACY}` });
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  const session = await visit.session();
  await visit.recorded({ page_view: 1, click: 1 });
  await decide(visit.page, false);
  await nothingLeft(visit);
  assert.equal(await visit.session(), null);
  const before = sent(visit).length;
  await visit.page.click("#plain");
  await visit.flush();
  await visit.page.evaluate(() => history.pushState({}, "", "/pages/pushed"));
  await visit.page.click("#swatch");
  await visit.page.close();
  await pause(300);
  assert.equal(sent(visit).length, before);
  assert.deepEqual((await findSession(shop.gateway, session)).totals.byType, { page_view: 1, click: 1 });
});

test("a withdrawal in one tab holds for the messages of another", async (t) => {
  const visit = await shop.visit(t, { script: `window.allowed = true; ${CUSTOMER_PRIVACY}` });
  await visit.goto("/");
  const session = await visit.session();
  await decide(visit.page, false);
  await visit.page.close();
  const again = await visit.context.newPage();
  // The page's consent is Shopify's own to remember, here by what the page says.
  await again.addInitScript(() => Object.defineProperty(window, "allowed", { get: () => false, set: () => {} }));
  await visit.goto("/", again);
  await again.click("#plain");
  assert.equal(await visit.session(again), null);
  await again.close();
  await pause(200);
  const record = await findSession(shop.gateway, session);
  assert.ok(record === null || record.totals.byType.click === undefined, JSON.stringify(record?.totals));
});

test("what an earlier page stored goes where the next one finds no consent", async (t) => {
  const visit = await shop.visit(t, { script: `window.allowed = true; ${CUSTOMER_PRIVACY}` });
  await visit.goto("/");
  await visit.flush();
  await visit.session();
  await visit.page.close();
  const again = await visit.context.newPage();
  await again.addInitScript(() => Object.defineProperty(window, "allowed", { get: () => false, set: () => {} }));
  await visit.goto("/", again);
  assert.deepEqual(await again.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("shoptrail."))), []);
});

test("whoever opts out is left alone from then on, also on the next page", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.flush();
  const session = await visit.session();
  await visit.recorded({ page_view: 1 });
  await visit.page.evaluate(() => Shoptrail.optOut());
  const before = sent(visit).length;
  await visit.page.click("#plain");
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  await visit.page.click("#plain");
  await visit.flush();
  assert.equal(await visit.session(), null);
  // Only the wish itself is kept.
  assert.deepEqual((await visit.kept()).local, { "shoptrail.off": "1" });
  await visit.page.close();
  await pause(200);
  assert.equal(sent(visit).length, before);
  assert.deepEqual((await findSession(shop.gateway, session)).totals.byType, { page_view: 1 });
});

test("the browser's own signal outweighs the consent that the shop knows", async (t) => {
  const visit = await shop.visit(t, { script: `window.allowed = true; ${CUSTOMER_PRIVACY}` });
  await visit.context.addInitScript(() => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { configurable: true, get: () => true }));
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.page.close();
  await pause(200);
  assert.deepEqual(sent(visit), []);
});
