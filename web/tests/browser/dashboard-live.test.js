// The live list: what comes in is there within seconds, while somebody looks.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { STORE, loaded, openDashboard, trackEvents } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { setVisibility } from "../support/visibility.js";
import { eventually, pause } from "../support/wait.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});
before(() => trackEvents(gateway, [{ productId: "1", productTitle: "The first one" }]));

/** A page whose time the test tells, so that nobody waits for seconds to pass. */
const withClock = { prepare: (page) => page.clock.install() };
const titles = (page) => page.locator("#feed .what > bdi").allTextContents();
function countAsked(page) {
  let asked = 0;
  page.on("request", (request) => (asked += request.url().includes("/events?") ? 1 : 0));
  return () => asked;
}

/** Lets half a minute pass, and every answer in it arrive. */
async function passHalfAMinute(page) {
  for (let passed = 0; passed < 30; passed += 5) {
    await page.clock.runFor(5000);
    await pause(60);
  }
}

test("a new event is on top within seconds, once, and the others stay", async (t) => {
  const page = await openDashboard(t, browser, gateway, withClock);
  await loaded(page);
  await page.locator("#feed li").first().waitFor();
  await page.getByText("Every 5 s").waitFor();
  const known = await titles(page);
  await trackEvents(gateway, [{ productId: "2", productTitle: "The second one", actionType: "buy_now", customerId: "7" }]);
  await page.clock.runFor(5000);
  await page.locator("#feed li.is-new", { hasText: "The second one" }).waitFor();
  assert.deepEqual(await titles(page), ["The second one", ...known]);
  assert.match(await page.locator("#feed li").first().innerText(), /Buy now[\s\S]*Customer 7/);
  await page.clock.runFor(5000);
  await eventually("another look", async () => (await page.getByText("Every 5 s").count()) === 1);
  assert.deepEqual(await titles(page), ["The second one", ...known]);
});

test("a paused list asks for nothing, and goes on where it was", async (t) => {
  const page = await openDashboard(t, browser, gateway, withClock);
  await loaded(page);
  await page.getByText("Every 5 s").waitFor();
  const asked = countAsked(page);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused", { exact: true }).waitFor();
  await trackEvents(gateway, [{ productId: "3", productTitle: "While it was paused" }]);
  await passHalfAMinute(page);
  assert.equal(asked(), 0);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator("#feed").getByText("While it was paused").waitFor();
});

test("nobody asks while the tab is hidden", async (t) => {
  const page = await openDashboard(t, browser, gateway, withClock);
  await loaded(page);
  await page.getByText("Every 5 s").waitFor();
  const asked = countAsked(page);
  await setVisibility(page, "hidden");
  await passHalfAMinute(page);
  assert.equal(asked(), 0);
  await setVisibility(page, "visible");
  await eventually("the list to ask at once", () => asked() === 1);
});

test("the list stays when an answer fails, waits as long as it is told, and comes back", async (t) => {
  let fails = false;
  const page = await openDashboard(t, browser, gateway, {
    failures: true,
    prepare: async (page) => {
      await page.clock.install();
      await page.route("**/api/cart-tracking/events?*", (route) =>
        fails
          ? route.fulfill({ status: 429, headers: { "retry-after": "20" }, json: { status: "error", code: "RATE_LIMITED", error: "…", message: "…", requestId: "1" } })
          : route.continue());
    },
  });
  await loaded(page);
  await page.getByText("Every 5 s").waitFor();
  const known = await titles(page);
  fails = true;
  await page.clock.runFor(5000);
  await page.getByText("No answer, again in 20 s").waitFor();
  assert.deepEqual(await titles(page), known);
  const asked = countAsked(page);
  await page.clock.runFor(15_000);
  assert.equal(asked(), 0, "not sooner than it was told");
  fails = false;
  await page.clock.runFor(6000);
  await page.getByText("Every 5 s").waitFor();
});

test("another store's list begins anew", async (t) => {
  await trackEvents(gateway, [{ storeName: "second-shop", productId: "9", productTitle: "Of the second shop" }]);
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  await page.locator("#feed").getByText("The first one").waitFor();
  await page.getByRole("textbox", { name: "Store" }).fill("second-shop");
  await page.keyboard.press("Enter");
  await page.locator("#feed").getByText("Of the second shop").waitFor();
  assert.deepEqual(await titles(page), ["Of the second shop"]);
  await page.goBack();
  await page.waitForURL((url) => url.searchParams.get("store") === STORE);
  await page.locator("#feed").getByText("The first one").waitFor();
  assert.ok(!(await titles(page)).includes("Of the second shop"));
});

test("an open page does not grow without end", async (t) => {
  const page = await openDashboard(t, browser, gateway, withClock);
  await loaded(page);
  for (let round = 0; round < 3; round += 1) {
    await trackEvents(gateway, Array.from({ length: 20 }, (_, index) => ({ productId: "4", productTitle: `Round ${round}, ${index}` })));
    await page.clock.runFor(5000);
    await page.locator("#feed").getByText(`Round ${round}, 19`).waitFor();
  }
  const shown = await page.locator("#feed li").count();
  assert.equal(shown, 40);
});
