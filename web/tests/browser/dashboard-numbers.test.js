// What the dashboard shows is what the API says.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { STORE, askAi, loaded, openDashboard, readData, reportOutcome, rowsOf, trackEvents, trackGeneration, trackVisit } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";
import { eventually } from "../support/wait.js";

const gateway = await startGateway({ env: { HOLDOUT_PERCENT: "40", POPUPS_PER_SESSION: "9", POPUPS_PER_DAY: "9" } });
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});

const ZONE = "Europe/Berlin";
const PRODUCTS = ["Linen shirt", "Breton tee", "Harbour raincoat", "Wool socks"];
const whole = new Intl.NumberFormat("en-US");
const percent = (share) => new Intl.NumberFormat("en-US", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);
const session = (number) => `5e55104e-0000-4000-8000-${String(number).padStart(12, "0")}`;
/** Today and the day so many days before it, as the zone has them. */
const day = (ago = 0) => new Intl.DateTimeFormat("en-CA", { timeZone: ZONE }).format(new Date(Date.now() - ago * 86_400_000));

before(async () => {
  const events = [];
  for (let number = 0; number < 1230; number += 1) {
    const product = (number * number) % PRODUCTS.length;
    events.push({
      actionType: number % 7 === 3 ? "buy_now" : number % 11 === 5 ? "wishlist:add" : "add_to_cart",
      productId: String(8100 + product),
      productTitle: PRODUCTS[product],
      ...(number % 3 === 0 ? { customerId: String(number % 40) } : {}),
      ...(number % 2 === 0 ? { sessionId: session(number % 60) } : {}),
    });
  }
  await trackEvents(gateway, events);
  for (let number = 0; number < 24; number += 1) {
    const ts = Date.now() - 60_000;
    await trackVisit(gateway, session(number), {
      itemsInCart: 6,
      timeOnPage: { "/cart": 200_000 },
      events: { "/cart": [{ type: "page_view", ts, eventId: `view-${number}` }] },
    });
    if (number % 3 === 0) await trackGeneration(gateway, { status: "completed", sessionId: session(number), productId: "8101" });
    const { show_popup, decisionId } = await askAi(gateway, session(number));
    if (!show_popup) continue;
    await reportOutcome(gateway, session(number), decisionId, "shown");
    if (number % 2 === 0) await reportOutcome(gateway, session(number), decisionId, "converted");
  }
  // What is refused is counted some seconds late.
  for (let number = 0; number < 3; number += 1) {
    const wrong = JSON.stringify({ storeName: STORE, customerEmail: "no e-mail" });
    await fetch(`${gateway.url}/api/cart-tracking/track`, { method: "POST", headers: { "content-type": "application/json" }, body: wrong });
  }
  await eventually("the refusals to be counted", async () => {
    await fetch(`${gateway.url}/api/cart-tracking/track`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ storeName: STORE, customerEmail: "no e-mail" }) });
    return (await readData(gateway, "refusals", { storeName: STORE })).days.length > 0;
  }, 30_000);
});

const range = () => ({ storeName: STORE, startDate: day(6), endDate: day(), timezone: ZONE, interval: "day", top: 10 });

test("every number of the tiles, the funnel, the products, Ask AI and the customers is the API's", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  const { totals, funnel, products, customers, askAi: asked } = await readData(gateway, "analytics", range());
  assert.equal(totals.events, 1230);
  assert.ok(asked.treatment.sessions > 0 && asked.holdout.sessions > 0, JSON.stringify(asked));

  const tile = (id) => page.locator(`[data-tile="${id}"] .figure`).textContent();
  assert.equal(await tile("events"), "1,230");
  assert.equal(await tile("add_to_cart"), whole.format(totals.byAction.add_to_cart));
  assert.equal(await tile("buy_now"), whole.format(totals.byAction.buy_now));
  assert.equal(await tile("sessions"), whole.format(totals.sessions));
  assert.equal(await tile("customers"), whole.format(totals.customers));
  const reached = (name) => funnel.steps.find((step) => step.name === name).visitors;
  assert.equal(await tile("conversion"), percent(reached("checkout") / reached("session")));

  const steps = await rowsOf(page.locator("#funnel table.funnel"));
  assert.deepEqual(
    steps.map(([, visitors, share]) => [visitors, share]),
    funnel.steps.map(({ visitors }, index) => [whole.format(visitors), index === 0 ? "–" : percent(visitors / funnel.steps[index - 1].visitors)]),
  );

  const shown = await rowsOf(page.locator("#products table"));
  assert.deepEqual(
    shown.map(([title, events, added, atOnce]) => [title, events, added, atOnce]),
    products.map(({ productTitle, events, byAction }) => [productTitle, whole.format(events), whole.format(byAction.add_to_cart ?? 0), whole.format(byAction.buy_now ?? 0)]),
  );

  const rates = await rowsOf(page.locator("#ask-ai table"));
  assert.deepEqual(
    rates.map(([, rate, sessions]) => [rate, sessions]),
    [asked.treatment, asked.holdout].map(({ sessions, converted, conversionRate }) => [percent(conversionRate), `${converted} of ${sessions}`]),
  );
  const [low, high] = [asked.lift.low, asked.lift.high].map((value) => new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" }).format(value * 100));
  assert.match(await page.locator("#ask-ai .lift").innerText(), new RegExp(`95% interval ${low.replace("+", "\\+")} to ${high.replace("+", "\\+")}`));
  const isUnclear = asked.lift.low <= 0 && asked.lift.high >= 0;
  assert.equal(/Too few sessions to tell/.test(await page.locator("#ask-ai .verdict").innerText()), isUnclear);

  const people = await page.locator("#customers li .strong").allTextContents();
  assert.deepEqual(people, customers.slice(0, 5).map(({ events }) => whole.format(events)));

  const { days } = await readData(gateway, "refusals", { storeName: STORE });
  const [reason] = await rowsOf(page.locator("#refused table"));
  assert.match(reason[0], /^Invalid/);
  assert.ok(Number(reason[1]) > 0 && Number(reason[1]) <= days.reduce((sum, { reasons }) => sum + reasons.invalid, 0), reason[1]);
  await screenshot(page, "dashboard-numbers", { fullPage: true });
});

test("the chart's numbers stand in a table, by day and by hour", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  const card = page.locator("#over-time");
  assert.match(await card.locator("canvas").getAttribute("aria-label"), /^1,230 cart events by day and action/);
  await card.getByRole("button", { name: "Show as a table" }).click();
  const byDay = await rowsOf(card.locator("table"));
  const { series } = await readData(gateway, "analytics", range());
  const sums = (rows) => rows.map(([, ...numbers]) => numbers.reduce((sum, number) => sum + Number(number.replace(",", "")), 0));
  assert.deepEqual(sums(byDay), series.map(({ events }) => events));
  assert.deepEqual(await card.locator("thead th").allTextContents(), ["Day", "Add to cart", "Buy now", "Wishlist add"]);

  const asked = page.waitForRequest((request) => request.url().includes("interval=hour"));
  await card.getByRole("radio", { name: "By hour" }).check();
  await asked;
  await loaded(page);
  assert.equal(new URL(page.url()).searchParams.get("by"), "hour");
  await card.getByRole("button", { name: "Show as a table" }).click();
  const byHour = await rowsOf(card.locator("table"));
  assert.ok(byHour.length > 6 * 24 && byHour.length <= 7 * 24, `${byHour.length} hours have begun`);
  assert.equal(sums(byHour).reduce((sum, events) => sum + events, 0), 1230);
});

test("each number is held against the same part of the period before", async (t) => {
  // The API stores no events of yesterday for a test: the period before is the real answer with other numbers.
  const asked = [];
  const page = await openDashboard(t, browser, gateway, {
    query: { store: STORE, range: "today" },
    prepare: (page) =>
      page.route("**/api/cart-tracking/analytics?*", async (route) => {
        const query = new URL(route.request().url()).searchParams;
        asked.push(Object.fromEntries(query));
        if (query.get("startDate") === day()) return route.continue();
        const answer = await route.fetch();
        const body = await answer.json();
        body.data.totals = { events: 1000, byAction: { add_to_cart: 2000 }, customers: 40, sessions: 30, products: 4 };
        return route.fulfill({ response: answer, json: body });
      }),
  });
  await loaded(page);
  const change = (id) => page.locator(`[data-tile="${id}"] .chip`).innerText();
  const { totals } = await readData(gateway, "analytics", { ...range(), startDate: day() });
  assert.equal(await change("events"), "▲ up 23%");
  assert.equal(await change("add_to_cart"), `▼ down ${Math.round((1 - totals.byAction.add_to_cart / 2000) * 100)}%`);
  assert.equal(await change("buy_now"), "▲ new");
  assert.equal(await change("sessions"), totals.sessions === 30 ? "= unchanged" : await change("sessions"));
  const before = asked.find(({ startDate }) => startDate !== day());
  assert.equal(before.startDate, day(1));
  const until = Date.parse(before.endDate);
  assert.ok(Math.abs(Date.now() - 86_400_000 - until) < 60_000, `until the same time yesterday: ${before.endDate}`);
  assert.equal(before.timezone, ZONE);
});

test("a range of one's own is asked for, kept in the address and held against as many days before", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  await page.getByRole("radio", { name: "Custom" }).check();
  await page.getByLabel("From").fill("2026-03-10");
  await page.getByLabel("To", { exact: true }).fill("2026-03-01");
  await page.locator("#custom").getByRole("button", { name: "Show" }).click();
  await page.getByText("The last day is before the first one.").waitFor();
  await page.getByLabel("From").fill("2025-01-01");
  await page.locator("#custom").getByRole("button", { name: "Show" }).click();
  await page.getByText("At most 366 days").waitFor();

  const requests = [];
  page.on("request", (request) => request.url().includes("/analytics?") && requests.push(new URL(request.url()).searchParams));
  await page.getByLabel("From").fill("2026-03-01");
  await page.getByLabel("To", { exact: true }).fill("2026-03-10");
  await page.locator("#custom").getByRole("button", { name: "Show" }).click();
  await loaded(page);
  const asked = requests.map((query) => `${query.get("startDate")} ${query.get("endDate")} ${query.get("timezone")}`).sort();
  assert.deepEqual(asked, ["2026-02-19 2026-02-28 Europe/Berlin", "2026-03-01 2026-03-10 Europe/Berlin"]);
  const { searchParams } = new URL(page.url());
  assert.deepEqual(Object.fromEntries(searchParams), { store: STORE, range: "custom", from: "2026-03-01", to: "2026-03-10" });
  await page.getByText("Mar 1 – 10, 2026").first().waitFor();
  await page.goBack();
  await page.waitForURL(/range=7d/);
  await loaded(page);
  assert.equal(await page.locator('[data-tile="events"] .figure').textContent(), "1,230");
});
