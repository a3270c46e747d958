// Before there is anything, while it comes, and when it does not.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { PHONE, loaded, openDashboard, trackEvents } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";
import { pause } from "../support/wait.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});
before(() => trackEvents(gateway, Array.from({ length: 12 }, (_, index) => ({ productId: String(index % 3), productTitle: `Product ${index % 3}` }))));

const error = (status, code, message = "…") => ({ status, json: { status: "error", error: code, message, code, requestId: "1" } });
/** Answers the first `times` requests for `path` with `answer`, and then lets the gateway answer. */
function refuse(page, path, times, answer) {
  let left = times;
  return page.route(`**/api/cart-tracking/${path}?*`, (route) => {
    left -= 1;
    return left >= 0 ? route.fulfill(answer) : route.continue();
  });
}
const events = (page) => page.locator('[data-tile="events"] .figure');

test("a store without events says how they come, and shows the first one by itself", async (t) => {
  const store = "new-shop.myshopify.com";
  const page = await openDashboard(t, browser, gateway, { query: { store: "new-shop", range: "7d" } });
  await page.getByRole("heading", { name: "Nothing here yet" }).waitFor();
  const empty = page.locator("#empty");
  assert.ok((await empty.innerText()).includes(`<script src="${gateway.url}/tracker.js" data-store="${store}" defer></script>`));
  assert.match(await empty.innerText(), /cargo run -p shoptrail-admin -- demo-data --store new-shop\.myshopify\.com --days 30 --events 50000/);
  await page.locator("#feed").getByText("No event yet").waitFor();
  await screenshot(page, "dashboard-empty", { fullPage: true });
  await trackEvents(gateway, [{ storeName: store, productId: "1", productTitle: "The first one" }]);
  await page.locator("#feed").getByText("The first one").waitFor();
  await events(page).waitFor();
  await page.waitForFunction(() => document.querySelector('[data-tile="events"] .figure')?.textContent === "1");
  assert.equal(await empty.isVisible(), false);
});

test("while the numbers are on their way, their places say so", async (t) => {
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  const page = await openDashboard(t, browser, gateway, {
    prepare: (page) => page.route("**/analytics?*", async (route) => void (await held, await route.continue())),
  });
  await page.locator("#funnel .skeleton").waitFor();
  for (const id of ["tiles", "over-time", "funnel", "products", "ask-ai", "customers"]) {
    assert.equal(await page.locator(`#${id} .card-body`).getAttribute("aria-busy"), "true", id);
    assert.match(await page.locator(`#${id} .card-body`).innerText(), /Loading/);
  }
  // What does not need them is there already.
  await page.locator("#feed li").first().waitFor();
  await screenshot(page, "dashboard-loading", { fullPage: true });
  answer();
  await loaded(page);
  assert.equal(await events(page).textContent(), "12");
  assert.equal(await page.locator(".skeleton").count(), 0);
});

test("a card whose answer fails says so and leaves the others alone, and tries again", async (t) => {
  const page = await openDashboard(t, browser, gateway, { failures: true, prepare: (page) => refuse(page, "refusals", 1, error(500, "DATABASE_ERROR")) });
  await loaded(page);
  const card = page.locator("#refused");
  await card.getByRole("alert").filter({ hasText: "Something went wrong on the server." }).waitFor();
  assert.equal(await events(page).textContent(), "12");
  await screenshot(page, "dashboard-partial-failure", { fullPage: true });
  await card.getByRole("button", { name: "Try again" }).click();
  await card.getByText("Everything that was sent in this range was stored.").waitFor();
});

test("what several cards share fails for them together, and one button brings each back", async (t) => {
  const page = await openDashboard(t, browser, gateway, { failures: true, prepare: (page) => refuse(page, "analytics", 1, error(500, "SERVER_ERROR")) });
  await page.locator("#products").getByRole("button", { name: "Try again" }).click();
  await page.locator("#products tbody tr").first().waitFor();
  assert.equal(await page.locator("#funnel").getByRole("alert").count(), 1);
  await page.locator("#tiles").getByRole("button", { name: "Try again" }).click();
  await events(page).waitFor();
});

test("without the period before the numbers stand for themselves", async (t) => {
  const page = await openDashboard(t, browser, gateway, {
    failures: true,
    prepare: (page) => page.route("**/analytics?*", (route) => (route.request().url().includes("interval") ? route.continue() : route.fulfill(error(500, "SERVER_ERROR")))),
  });
  await loaded(page);
  assert.equal(await events(page).textContent(), "12");
  assert.match(await page.locator('[data-tile="events"] .change').innerText(), /Nothing to compare with/);
});

for (const [status, code] of [[429, "RATE_LIMITED"], [503, "DATABASE_UNAVAILABLE"]]) {
  test(`a ${status} is waited for as long as it says`, async (t) => {
    const times = [];
    const page = await openDashboard(t, browser, gateway, {
      failures: true,
      prepare: async (page) => {
        await refuse(page, "analytics", 1, { ...error(status, code), headers: { "retry-after": "2" } });
        page.on("request", (request) => request.url().includes("interval=") && times.push(Date.now()));
      },
    });
    await page.getByText("The server is busy. Trying again in 2 s.").first().waitFor();
    await loaded(page);
    assert.equal(await events(page).textContent(), "12");
    assert.ok(times.length === 2 && times[1] - times[0] >= 1900, `asked again after ${times[1] - times[0]} ms`);
  });
}

test("a wait that nobody would sit through becomes a button", async (t) => {
  const page = await openDashboard(t, browser, gateway, {
    failures: true,
    prepare: (page) => refuse(page, "analytics", 1, { ...error(429, "RATE_LIMITED"), headers: { "retry-after": "3000" } }),
  });
  await page.locator("#tiles").getByRole("button", { name: "Try again" }).click();
  await events(page).waitFor();
});

test("a range that is too much for the API is told in its words", async (t) => {
  const answer = error(400, "VALIDATION_ERROR");
  answer.json.errors = [{ field: "endDate", reason: "Range holds more than 100000 events: choose a shorter one" }];
  const page = await openDashboard(t, browser, gateway, { failures: true, prepare: (page) => refuse(page, "analytics", 99, answer) });
  const alert = page.locator("#tiles").getByRole("alert");
  await alert.filter({ hasText: "choose a shorter one" }).waitFor();
  assert.equal(await page.locator("#tiles").getByRole("button").count(), 0, "trying again would not help");
});

test("without a connection every card says so, and comes back with it", async (t) => {
  const page = await openDashboard(t, browser, gateway, { failures: true });
  await loaded(page);
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.locator("#funnel").getByText("The server cannot be reached.").waitFor();
  await page.locator("#refused").getByText("The server cannot be reached.").waitFor();
  await screenshot(page, "dashboard-offline", { fullPage: true });
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Refresh" }).click();
  await loaded(page);
  assert.equal(await events(page).textContent(), "12");
});

test("only the newest choice is shown, whatever answers come late", async (t) => {
  const page = await openDashboard(t, browser, gateway, {
    prepare: (page) =>
      page.route("**/analytics?*interval=day*", async (route) => {
        const answer = await route.fetch();
        const body = await answer.json();
        body.data.totals.events = 777;
        await pause(1500);
        // The page may have given up on it.
        await route.fulfill({ response: answer, json: body }).catch(() => {});
      }),
  });
  await page.locator("#funnel .skeleton").waitFor();
  await page.getByRole("radio", { name: "Today" }).check();
  await loaded(page);
  await pause(2000);
  assert.equal(await events(page).textContent(), "12");
});

test("without the charts' library the numbers stand in their tables", async (t) => {
  const page = await openDashboard(t, browser, gateway, { failures: true, profile: PHONE, prepare: (page) => page.route("**/chart.js", (route) => route.abort()) });
  await loaded(page);
  await page.locator("#over-time table").waitFor();
  assert.match(await page.locator("#over-time table").innerText(), /12/);
});
