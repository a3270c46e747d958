// A guest in other people's pages: whatever is missing, broken or changed there, the tracker neither throws nor stops it,
// and still records what it can.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openShop } from "../support/shop.js";
import { pause } from "../support/wait.js";

const shop = await openShop();

/** Pages that lack something, or have it in another shape; in each of them a view and a click can be recorded. */
const RECORDED = {
  "there is no crypto.randomUUID": "delete Crypto.prototype.randomUUID;",
  "fetch is missing": "delete window.fetch;",
  "sendBeacon is missing": "delete Navigator.prototype.sendBeacon;",
  "XMLHttpRequest is missing": "delete window.XMLHttpRequest;",
  "the history is frozen": "Object.freeze(history); Object.freeze(History.prototype);",
  "fetch cannot be replaced": "Object.defineProperty(window, 'fetch', { value: window.fetch, writable: false, configurable: false });",
  "AbortSignal is missing": "delete window.AbortSignal;",
  "AbortController is missing": "delete window.AbortController;",
  "observers are missing": "delete window.PerformanceObserver; delete window.MutationObserver; delete window.IntersectionObserver;",
  "CSSStyleSheet cannot be made": "window.CSSStyleSheet = undefined;",
  "there is no matchMedia": "window.matchMedia = undefined;",
  "there is no requestIdleCallback": "window.requestIdleCallback = undefined;",
  "Shopify is undefined": "delete window.Shopify;",
  "Shopify is null": "window.Shopify = null;",
  "Shopify is a text": "window.Shopify = 'shop';",
  "Shopify's routes are missing": "window.Shopify = { shop: 'demo-shop.myshopify.com' };",
  "Shopify's root is odd": "window.Shopify = { routes: { root: 7 } };",
  "Shopify's root is empty": "window.Shopify = { routes: { root: '' } };",
  "ShopifyAnalytics is odd": "window.ShopifyAnalytics = { meta: 7 };",
  "the title cannot be read": "Object.defineProperty(document, 'title', { get: () => undefined });",
  "prototypes carry more than they should":
    "Object.prototype.extra = function () {}; Array.prototype.extra = function () {}; String.prototype.extra = 1;",
  "fetch answers with nothing": "window.fetch = () => undefined;",
  "fetch answers with something else": "window.fetch = async () => ({});",
  "fetch never answers": "window.fetch = () => new Promise(() => {});",
  "pushState is wrapped by others": "const before = history.pushState; history.pushState = function (...all) { return before.apply(this, all); };",
  "setInterval does nothing": "window.setInterval = () => 0;",
  "the cart answers nonsense": "window.cartNonsense = true;",
};
for (const [what, script] of Object.entries(RECORDED)) {
  test(`a page is recorded where ${what}`, async (t) => {
    const visit = await shop.visit(t, { script });
    await visit.goto("/");
    await visit.page.click("#plain");
    const session = await visit.session();
    assert.ok(session, "there is a session");
    await visit.page.close();
    await visit.recorded({ page_view: 1, click: 1 }, { session });
  });
}

/** Pages where recording is perhaps too much to ask; but they must work as without the tracker. */
const UNHARMED = {
  "there is no crypto": "Object.defineProperty(window, 'crypto', { value: undefined });",
  "JSON is broken": "JSON.stringify = () => { throw new Error('broken') };",
  "performance is missing": "Object.defineProperty(window, 'performance', { value: undefined });",
  "navigator is odd": "Object.defineProperty(window, 'navigator', { value: {} });",
  "URL is broken": "window.URL = function () { throw new Error('broken') };",
  "everything asked of Shopify throws": "window.Shopify = new Proxy({}, { get() { throw new Error('broken') } });",
  "Shopify itself throws": "Object.defineProperty(window, 'Shopify', { get() { throw new Error('broken') } });",
  "the consent API throws": "window.Shopify.customerPrivacy = { analyticsProcessingAllowed() { throw new Error('broken') } };",
  "loading features throws": "window.Shopify.loadFeatures = () => { throw new Error('broken') };",
  "loading features fails": "window.Shopify.loadFeatures = (features, done) => done(new Error('broken'));",
  "Shoptrail is taken": "window.Shoptrail = { mine: true };",
  "Shoptrail cannot be set": "Object.defineProperty(window, 'Shoptrail', { get: () => ({ mine: true }), set() { throw new Error('broken') } });",
};
for (const [what, script] of Object.entries(UNHARMED)) {
  test(`a page works where ${what}`, async (t) => {
    const visit = await shop.visit(t, { script });
    await visit.page.goto(shop.site.url);
    const used = await visit.page.evaluate(async () => {
      let clicks = 0;
      const button = document.getElementById("plain");
      button.addEventListener("click", () => { clicks += 1; });
      button.click();
      history.pushState({}, "", "/pages/one");
      const cart = await (await fetch("/cart.js")).json();
      return { clicks, path: location.pathname, items: cart.item_count };
    });
    assert.deepEqual(used, { clicks: 1, path: "/pages/one", items: 0 });
    await visit.page.click("#to-about");
    await visit.page.waitForURL("**/pages/about");
  });
}

test("a page whose cart is not Shopify's is recorded", async (t) => {
  const visit = await shop.visit(t, { bare: true, complaints: /404|JSON/ });
  await visit.context.route("**/cart.js", (route) => route.fulfill({ status: 200, contentType: "text/html", body: "<html>" }));
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 1, click: 1 });
});

test("a script that is put into the page later works as a tag does", async (t) => {
  const visit = await shop.visit(t, { tracker: null });
  await visit.goto("/");
  await visit.page.evaluate(
    (src) =>
      new Promise((done, fail) => {
        const script = Object.assign(document.createElement("script"), { src, async: true, onload: done, onerror: fail });
        script.dataset.store = "demo-shop";
        document.head.append(script);
      }),
    `${visit.wire.url}/tracker.js`,
  );
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 1, click: 1 });
});

test("a backend that never answers delays neither the page nor what it does", async (t) => {
  const visit = await shop.visit(t);
  visit.wire.fault = ({ path }) => (path === "/tracker.js" ? undefined : new Promise(() => {}));
  const begun = Date.now();
  await visit.goto("/");
  const longest = await visit.page.evaluate(async () => {
    const begun = performance.now();
    for (let i = 0; i < 300; i += 1) Shoptrail.track("step", { i });
    return performance.now() - begun;
  });
  assert.ok(longest < 500, `${longest} ms for 300 events`);
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  assert.ok(Date.now() - begun < 5_000);
});

test("the page loads before a slow tracker does", async (t) => {
  const visit = await shop.visit(t);
  visit.wire.fault = async ({ path }) => {
    if (path === "/tracker.js") await pause(1_500);
    return undefined;
  };
  await visit.page.goto(`${shop.site.url}/`, { waitUntil: "commit" });
  const begun = Date.now();
  await visit.page.waitForSelector("#plain");
  assert.ok(Date.now() - begun < 1_000, "the page is there before the script");
  await visit.page.waitForFunction(() => globalThis.Shoptrail);
  await visit.flush();
  await visit.recorded({ page_view: 1 });
});
