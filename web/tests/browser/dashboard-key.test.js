// The key: asked for once, kept in the tab, sent in a header, and nowhere else.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { KEY_NAME, STORE, loaded, openDashboard, trackEvents } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});
before(() => trackEvents(gateway, [{ productId: "1", productTitle: "Linen shirt" }]));

const enter = async (page, { key = gateway.key, store }) => {
  await page.getByLabel("API key").fill(key);
  if (store) await page.locator("#gate-store").fill(store);
  await page.getByRole("button", { name: "Open" }).click();
};

test("a key is asked for once and stays in the tab alone", async (t) => {
  const page = await openDashboard(t, browser, gateway, { key: null, query: {} });
  const requests = [];
  page.on("request", (request) => requests.push(request));
  await page.getByRole("heading", { name: "Open a store’s dashboard" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "gate-key");
  await screenshot(page, "dashboard-key");
  await enter(page, { store: "demo-shop" });
  await loaded(page);
  await page.getByRole("heading", { level: 1, name: "demo-shop" }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get("store"), "demo-shop");

  const reads = requests.filter((request) => request.url().includes("/api/"));
  assert.ok(reads.length >= 4, `${reads.length} requests`);
  for (const request of requests) assert.ok(!request.url().includes(gateway.key), "no address holds the key");
  for (const read of reads) assert.equal(read.headers()["x-api-key"], gateway.key);
  const kept = await page.evaluate(() => ({
    session: Object.keys(sessionStorage),
    local: Object.keys(localStorage),
    cookies: document.cookie,
    address: location.href,
    html: document.documentElement.outerHTML,
    typed: document.getElementById("gate-key").value,
  }));
  assert.deepEqual([kept.session, kept.local, kept.cookies, kept.typed], [[KEY_NAME], [], "", ""]);
  assert.ok(!kept.address.includes(gateway.key) && !kept.html.includes(gateway.key));

  await page.reload();
  await loaded(page);
  assert.equal(await page.locator("#gate").isVisible(), false, "a reload asks for no key");
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByLabel("API key").waitFor();
  await other.close();
});

test("a forgotten key is gone, and what it showed with it", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  await page.locator("#feed").getByText("Linen shirt").waitFor();
  await page.getByRole("button", { name: "Forget key" }).click();
  await page.getByLabel("API key").waitFor();
  assert.equal(await page.evaluate((name) => sessionStorage.getItem(name), KEY_NAME), null);
  assert.ok(!(await page.locator("body").innerHTML()).includes("Linen shirt"), "nothing stays in the page");
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.reload();
  await page.getByLabel("API key").waitFor();
  assert.deepEqual(requests.filter((url) => url.includes("/api/")), []);
});

test("a wrong key brings the form back and says why", async (t) => {
  const page = await openDashboard(t, browser, gateway, { key: null, failures: true });
  await enter(page, { key: "wrong-key-0123456789" });
  await page.getByRole("alert").filter({ hasText: "That key is not known here" }).waitFor();
  assert.equal(await page.evaluate((name) => sessionStorage.getItem(name), KEY_NAME), null);
  assert.equal(await page.locator("#board").isVisible(), false);
  assert.equal(await page.locator("#gate-store").inputValue(), STORE, "the store need not be typed again");
  await screenshot(page, "dashboard-wrong-key");
  await enter(page, {});
  await loaded(page);
});

test("what is no key at all is never sent", async (t) => {
  const page = await openDashboard(t, browser, gateway, { key: null });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await enter(page, { key: "two words ☂" });
  await page.getByText("That is no key").waitFor();
  assert.deepEqual(requests.filter((url) => url.includes("/api/")), []);
});

test("a key that may not read the store says so and stays for another one", async (t) => {
  // The development key may read all; what a narrower one gets is the API's own answer.
  const forbidden = { status: "error", error: "Forbidden", message: "…", code: "FORBIDDEN", requestId: "1" };
  const page = await openDashboard(t, browser, gateway, {
    failures: true,
    query: { store: "other-shop", range: "7d" },
    prepare: (page) =>
      page.route(/other-shop/, (route) => (route.request().url().includes("/api/") ? route.fulfill({ status: 403, json: forbidden }) : route.continue())),
  });
  await page.getByRole("alert").filter({ hasText: "That key may not read this store" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "gate-store");
  await page.locator("#gate-store").fill("demo-shop");
  await page.getByRole("button", { name: "Open" }).click();
  await loaded(page);
  await page.getByRole("heading", { level: 1, name: "demo-shop" }).waitFor();
});
