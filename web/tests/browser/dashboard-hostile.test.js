// Titles, names and pages that somebody wrote to do harm are text, wherever they are shown.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { DESKTOP, PHONE, STORE, loaded, openDashboard, trackEvents, trackVisit } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});

const SESSION = "b0571150-0000-4000-8000-000000000001";
const TITLES = [
  '<img src=x onerror="alert(1)">',
  '</script><script>alert(2)</script>',
  '"><svg onload=alert(3)>',
  "javascript:alert(4)",
  "{{constructor.constructor('alert(5)')()}}",
  "‮gnp.exe is turned around‬",
  "W".repeat(500),
  "👩‍👩‍👧‍👦".repeat(60),
  "__proto__",
];
/** An own action may hold no more than this; names that every object has must not be taken for known ones. */
const ACTIONS = ["constructor", "__proto__", "tostring"];

before(async () => {
  await trackEvents(gateway, [
    ...TITLES.map((productTitle, index) => ({ productId: `<b>${index}</b>`, productTitle, sessionId: SESSION, customerId: `<i>${index}</i>` })),
    ...ACTIONS.map((actionType) => ({ actionType, productId: "constructor", productTitle: "<u>action</u>" })),
  ]);
  const ts = Date.now() - 1000;
  await trackVisit(gateway, SESSION, {
    events: { "/<img src=x onerror=alert(6)>": [{ type: "page_view", ts, title: TITLES[0] }, { type: "<script>alert(7)</script>", ts, text: TITLES[1], onerror: TITLES[2] }] },
  });
});

for (const [name, profile] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  test(`hostile titles are inert on a ${name}`, async (t) => {
    const page = await openDashboard(t, browser, gateway, { profile });
    await loaded(page);
    await page.locator("#feed li").nth(TITLES.length).waitFor();
    await page.getByRole("button", { name: "Show as a table" }).evaluateAll((buttons) => buttons.forEach((button) => button.click()));

    const text = await page.locator("#products").innerText();
    assert.ok(text.includes('<img src=x onerror="alert(1)">') && text.includes("</script><script>alert(2)</script>"), text);
    assert.equal(await page.locator("main :is(img, iframe, object, embed, script, b, i, u), main svg [onload], main [onerror], main [style*='url']").count(), 0);
    assert.doesNotMatch(await page.locator("main").innerText(), /NaN|undefined|\[object|function/, "a name that every object has is only a name");
    const links = await page.locator("main a").evaluateAll((all) => all.map(({ href }) => href));
    assert.deepEqual(links, [], "no title becomes a link");
    const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(width[0] <= width[1], `no sideways scrolling: ${width}`);
    await screenshot(page, `dashboard-hostile-${name}`, { fullPage: true });

    // A chart's tooltip is drawn, and still gets no mark that turns its text around.
    const labels = await page.evaluate(() => Object.values(Chart.instances).flatMap(({ data }) => data.datasets.map(({ label }) => label)));
    assert.ok(labels.length > 0 && labels.every((label) => !/[\u202a-\u202e]/.test(label) && [...label].length <= 50), JSON.stringify(labels));
  });
}

test("a hostile journey is inert", async (t) => {
  const page = await openDashboard(t, browser, gateway, { query: { store: STORE, range: "today" } });
  await loaded(page);
  await page.locator("#feed li", { hasText: "onerror" }).first().getByRole("button").click();
  const journey = page.getByRole("dialog", { name: "Journey" });
  await journey.getByText("alert(7)").first().waitFor();
  assert.equal(await journey.locator("img, script, iframe, svg, a, [onerror]").count(), 0);
  assert.ok((await journey.innerText()).includes('<img src=x onerror="alert(1)">'));
  await screenshot(page, "dashboard-hostile-journey");
});

test("a hostile store name in the address is inert", async (t) => {
  const page = await openDashboard(t, browser, gateway, { query: { store: '"><img src=x onerror=alert(8)>', range: "<script>", from: "<b>" }, failures: true });
  await page.getByText("storeName").first().waitFor();
  assert.equal(await page.locator("img, script:not([src])").count(), 0);
});
