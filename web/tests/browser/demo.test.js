// The demo shop as somebody new tries it: from the first page to the order, with the panel that shows what is stored.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { launchBrowser, openProfile } from "../support/browser.js";
import { startGateway } from "../support/gateway.js";
import { findActivity, recordedExactly } from "../support/records.js";
import { screenshot } from "../support/screenshots.js";
import { eventually, pause } from "../support/wait.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});
const DESKTOP = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** The panel hides from the shop's own scripts in a closed tree; a test has to look inside, which `open` makes it. */
function lookInside(context, open = true) {
  return context.addInitScript((open) => {
    const { attachShadow } = Element.prototype;
    Element.prototype.attachShadow = function (options) {
      return (window.panelTree = attachShadow.call(this, open ? { ...options, mode: "open" } : options));
    };
  }, open);
}

async function visitor(t, profile, { inside = true } = {}) {
  const { context, complaints } = await openProfile(browser, profile);
  await lookInside(context, inside);
  const page = await context.newPage();
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  await page.goto(`${gateway.url}/demo`);
  assert.equal(new URL(page.url()).pathname, "/demo/");
  await page.waitForFunction(() => globalThis.Shoptrail?.session);
  const session = await page.evaluate(() => Shoptrail.session);
  return { page, session, panel: page.locator("#panel") };
}

const activity = (session, what, check) =>
  eventually(what, async () => {
    const found = await findActivity(gateway, session);
    assert.ok(found);
    return (await check(found)) === false ? false : found;
  });
const flush = (page) => page.evaluate(async () => void (await Shoptrail.flush()));

test("somebody new looks, tries on, adds, checks out and is thanked, and the panel shows it all", async (t) => {
  const { page, session, panel } = await visitor(t, DESKTOP);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await pause(300);
  await screenshot(page, "demo-home");

  await page.getByRole("link", { name: "All clothes" }).first().click();
  await page.waitForURL("**/demo/collections/all");
  await page.locator('main a[href*="/demo/products/breton-tee"]').first().click();
  await page.waitForURL("**/demo/products/breton-tee");
  await page.getByRole("heading", { level: 1, name: "Breton tee" }).waitFor();
  await page.waitForFunction(() => globalThis.Shoptrail?.session);

  await page.getByRole("button", { name: "Try it on" }).click();
  await page.getByRole("dialog").getByRole("button", { name: /Try the breton tee on/ }).click();
  await page.getByRole("dialog").getByText("Recorded with this visit.").waitFor();
  await pause(200);
  await screenshot(page, "demo-try-on");
  await page.getByRole("dialog").getByRole("button", { name: "Looks good" }).click();
  const tried = await activity(session, "the generation", ({ generations }) => generations.length === 1);
  assert.deepEqual([tried.generations[0].status, tried.generations[0].productTitle], ["completed", "Breton tee"]);

  await page.getByRole("button", { name: "Add to cart" }).click();
  await page.getByText("In your cart.").waitFor();
  const added = await activity(session, "the cart event", ({ cartEvents }) => cartEvents.length === 1);
  assert.deepEqual([added.cartEvents[0].actionType, added.cartEvents[0].productTitle], ["add_to_cart", "Breton tee"]);
  await flush(page);
  await panel.getByText(/Try-on generated: Breton tee/).waitFor();
  await panel.getByText(/Breton tee/).first().waitFor();
  await pause(300);
  await screenshot(page, "demo-product");

  await page.getByRole("link", { name: /^Cart/ }).click();
  await page.waitForURL("**/demo/cart");
  await page.getByRole("link", { name: "Check out" }).waitFor();
  await page.waitForFunction(() => globalThis.Shoptrail?.session);
  await flush(page);
  await activity(session, "one item in the cart", ({ session }) => session?.itemsInCart === 1);
  await screenshot(page, "demo-cart");
  await page.getByRole("link", { name: "Check out" }).click();
  await page.waitForURL("**/demo/checkout");
  await page.getByRole("button", { name: "Place the order" }).click();
  await page.waitForURL("**/demo/checkout/thank-you");
  await page.getByRole("heading", { name: "Thank you" }).waitFor();
  await page.waitForFunction(() => globalThis.Shoptrail?.session);
  await eventually("the order to be recorded", async () => {
    await flush(page);
    const { session: record } = await findActivity(gateway, session);
    return record?.totals.byType.checkout_completed === 1;
  });
  await pause(500);
  await screenshot(page, "demo-thank-you");

  assert.equal(await page.evaluate(() => Shoptrail.session), session, "one visit from beginning to end");
  const { session: record, cartEvents, generations, preview } = await findActivity(gateway, session);
  assert.equal(record.storeName, "demo-shop.myshopify.com");
  const { byType } = record.totals;
  assert.deepEqual(
    [byType.page_view, byType.product_view, byType.add_to_cart, byType.checkout_started, byType.checkout_completed],
    [6, 1, 1, 1, 1],
  );
  await recordedExactly(gateway, session, byType);
  assert.deepEqual([cartEvents.length, generations.length], [1, 1]);
  assert.equal(preview.show_popup, false, "after an order Ask AI keeps quiet");
});

test("buying at once is one purchase, and no addition beside it", async (t) => {
  const { page, session } = await visitor(t, DESKTOP);
  await page.goto(`${gateway.url}/demo/products/watch-cap`);
  await page.waitForFunction(() => globalThis.Shoptrail?.session);
  await page.getByRole("button", { name: "Buy it now" }).click();
  await page.waitForURL("**/demo/checkout");
  const found = await activity(session, "the cart event", ({ cartEvents }) => cartEvents.length > 0);
  await pause(500);
  assert.deepEqual((await findActivity(gateway, session)).cartEvents.map(({ actionType }) => actionType), ["buy_now"]);
  assert.equal(found.cartEvents[0].productTitle, "Ribbed watch cap");
});

test("a search is found, and shown", async (t) => {
  const { page, session, panel } = await visitor(t, DESKTOP);
  await page.getByRole("searchbox").fill("linen");
  await page.getByRole("searchbox").press("Enter");
  await page.waitForURL("**/demo/search?q=linen");
  await page.getByRole("link", { name: /Linen shirt/ }).first().waitFor();
  await page.waitForFunction(() => globalThis.Shoptrail?.session);
  await flush(page);
  await activity(session, "the search", ({ session }) => session?.totals.byType.search === 1);
  await panel.getByText(/linen/).first().waitFor();
});

test("the panel is not a part of the shop: nothing that is done in it is recorded", async (t) => {
  const { page, session } = await visitor(t, DESKTOP, { inside: false });
  // Its tree stays closed here, so its button is found by where it is.
  const sent = page.waitForRequest((request) => request.url().endsWith("/ingest"));
  await page.waitForFunction(() => [...window.panelTree.querySelectorAll("link")].every(({ sheet }) => sheet));
  await pause(200);
  const { x, y } = await page.evaluate(() => {
    const button = [...window.panelTree.querySelectorAll("button")].find(({ textContent }) => textContent === "Send now");
    const { left, top, width, height } = button.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  });
  await page.mouse.click(x, y);
  await sent;
  await page.mouse.click(x, y);
  await flush(page);
  const record = await recordedExactly(gateway, session, { page_view: 1 });
  assert.deepEqual(Object.keys(record.events), ["/"]);
});

test("a new visitor begins anew", async (t) => {
  const { page, session, panel } = await visitor(t, DESKTOP);
  await panel.getByRole("button", { name: "New visitor" }).click();
  await eventually("another session", async () => {
    const now = await page.evaluate(() => globalThis.Shoptrail?.session).catch(() => null);
    return now && now !== session;
  });
});

test("whoever wants no tracking is not tracked in the demo either, and the panel says so", async (t) => {
  const { context, complaints } = await openProfile(browser, DESKTOP);
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  await lookInside(context);
  await context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { configurable: true, get: () => true });
  });
  const page = await context.newPage();
  await page.goto(`${gateway.url}/demo/`);
  await page.locator("#panel").getByText("Nothing is recorded").waitFor();
  assert.deepEqual(Object.keys(await page.evaluate(() => ({ ...localStorage }))), []);
});

test("on a phone the shop and the panel are usable", async (t) => {
  const { page, panel } = await visitor(t, PHONE);
  await pause(300);
  await screenshot(page, "demo-phone");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no scrolling sideways");
  await panel.getByRole("button", { name: /What Shoptrail knows/ }).tap();
  await panel.getByRole("region", { name: "Record of this visit" }).waitFor();
  await pause(400);
  await screenshot(page, "demo-phone-panel");
  await page.goto(`${gateway.url}/demo/products/linen-shirt`);
  await page.getByRole("heading", { level: 1, name: "Linen shirt" }).waitFor();
  await pause(300);
  await screenshot(page, "demo-phone-product");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no scrolling sideways");
});

for (const [where, profile] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  test(`the popup has its place beside the panel (${where})`, async (t) => {
    const { page } = await visitor(t, profile);
    const json = (value) => ({ status: 200, contentType: "application/json", body: JSON.stringify(value) });
    await page.route("**/askai", (route) =>
      route.fulfill(json({ ok: true, show_popup: true, message: "You have 7 items in your cart. Any questions before you check out? We are happy to help.", delay_ms: 0, decisionId: "made-up-by-this-test", source: "rules", trigger: "items_in_cart" })),
    );
    await page.route("**/askai/outcome", (route) => route.fulfill(json({ ok: true })));
    await page.evaluate(() => void Shoptrail.ask());
    await page.locator(".shoptrail-popup").waitFor();
    await pause(500);
    await screenshot(page, `demo-popup-${where}`);
    await page.getByRole("button", { name: "Close" }).click();
    assert.equal(await page.locator(".shoptrail-popup").count(), 0);
  });
}

test("a page that there is not says so", async (t) => {
  const { page } = await visitor(t, DESKTOP);
  const missing = await page.request.get(`${gateway.url}/demo/products/no-such-thing`);
  assert.equal(missing.status(), 404);
});
