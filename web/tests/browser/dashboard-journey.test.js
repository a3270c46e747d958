// The way of one session or customer, out of the real records.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { STORE, askAi, loaded, openDashboard, readData, reportOutcome, trackEvents, trackGeneration, trackVisit } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});

const SESSION = "10041e70-0000-4000-8000-000000000001";
before(async () => {
  const start = Date.now() - 20 * 60_000;
  const at = (seconds) => start + seconds * 1000;
  await trackVisit(gateway, SESSION, {
    itemsInCart: 6,
    timeOnPage: { "/": 12_000, "/products/linen-shirt": 125_000, "/cart": 200_000 },
    events: {
      "/": [
        { type: "page_view", ts: at(0), eventId: "view-0001", title: "Home" },
        { type: "click", ts: at(8), eventId: "click-001", tag: "a", text: "All clothes" },
      ],
      "/products/linen-shirt": [{ type: "page_view", ts: at(12), eventId: "view-0002", title: "Linen shirt" }],
      "/cart": [
        { type: "page_view", ts: at(137), eventId: "view-0003", title: "Your cart" },
        { type: "checkout_started", ts: at(400), eventId: "check-001" },
      ],
    },
  });
  await trackGeneration(gateway, { status: "completed", sessionId: SESSION, productId: "8101", generatedImageUrl: "https://images.example.com/try-on/1.jpg", customerId: "77" });
  await trackEvents(gateway, [{ productId: "8101", productTitle: "Linen shirt", sessionId: SESSION, customerId: "77", customerEmail: "jane@example.com" }]);
  const { show_popup, decisionId } = await askAi(gateway, SESSION);
  assert.equal(show_popup, true);
  await reportOutcome(gateway, SESSION, decisionId, "shown");
});

test("a click on an event shows its session's way, in order of time, with gaps", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  await page.locator("#feed li", { hasText: "Linen shirt" }).getByRole("button", { name: /^Journey of/ }).click();
  const dialog = page.getByRole("dialog", { name: "Journey" });
  await dialog.locator("li").first().waitFor();
  const { items, durationMs } = await readData(gateway, "journey", { storeName: STORE, sessionId: SESSION });
  assert.ok(durationMs > 0 && items.length >= 7, JSON.stringify(items));

  const shown = await dialog.locator("li").evaluateAll((all) => all.map((item) => [item.dataset.kind, item.querySelector("time").dateTime, item.querySelector(".gap") !== null]));
  assert.deepEqual(shown, items.map(({ kind, at, gapMs }) => [kind, at, gapMs >= 1000]));
  const text = (await dialog.innerText()).replace(/\s+/g, " ");
  for (const wanted of ["Looked at Home", "Clicked All clothes", "Looked at Linen shirt", "A try-on is ready", "Add to cart: Linen shirt", "Ask AI said:", "Checkout started", "shown"]) {
    assert.ok(text.includes(wanted), `${wanted} in ${text}`);
  }
  assert.match(text, /2 min 5 s/, "how long the product was looked at");
  assert.equal(await dialog.getByRole("link", { name: "picture" }).getAttribute("href"), "https://images.example.com/try-on/1.jpg");
  await screenshot(page, "dashboard-journey");
  await dialog.getByRole("button", { name: "Close" }).click();
  await dialog.waitFor({ state: "hidden" });
  assert.ok(!page.url().includes(SESSION), "no address holds whose way it was");
});

test("a click on a customer shows that customer's way", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  const asked = page.waitForRequest((request) => request.url().includes("/journey?"));
  await page.locator("#customers").getByRole("button").first().click();
  const query = new URL((await asked).url()).searchParams;
  assert.deepEqual([query.get("storeName"), query.get("customerId"), query.get("sessionId")], [STORE, "77", null]);
  const dialog = page.getByRole("dialog", { name: "Journey" });
  await dialog.getByText("Add to cart: Linen shirt").waitFor();
});

test("a journey that fails can be tried again, and one of nobody says so", async (t) => {
  let failed = false;
  const page = await openDashboard(t, browser, gateway, {
    failures: true,
    prepare: (page) =>
      page.route("**/journey?*", (route) => {
        if (failed) {
          return route.fulfill({ json: { status: "success", data: { startedAt: null, endedAt: null, durationMs: 0, truncated: false, sessions: [], items: [] } } });
        }
        failed = true;
        return route.fulfill({ status: 500, json: { status: "error", code: "SERVER_ERROR", error: "…", message: "…", requestId: "1" } });
      }),
  });
  await loaded(page);
  await page.locator("#feed li button").first().click();
  const dialog = page.getByRole("dialog", { name: "Journey" });
  await dialog.getByRole("button", { name: "Try again" }).click();
  await dialog.getByText("Nothing is stored of this visit").waitFor();
});
