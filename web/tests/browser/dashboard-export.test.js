// The range's events as files: whole, in parts, and resumed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { STORE, loaded, openDashboard, readData, trackEvents } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});
before(() =>
  trackEvents(gateway, [
    { productId: "1", productTitle: "=HYPERLINK(\"https://example.com\")", customerEmail: "jane@example.com" },
    { productId: "2", productTitle: "Linen, \"fine\"\nand new" },
    ...Array.from({ length: 40 }, (_, index) => ({ productId: String(index), productTitle: `Product ${index}`, actionType: "buy_now" })),
  ]));

async function download(page, format) {
  const waiting = page.waitForEvent("download");
  await page.locator(`#export [data-format="${format}"]`).click();
  const file = await waiting;
  return { name: file.suggestedFilename(), content: readFileSync(await file.path()) };
}

test("each format is saved as a file with the events of the range", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  const { totals } = await readData(gateway, "analytics", { storeName: STORE });
  assert.equal(totals.events, 42);

  const csv = await download(page, "csv");
  assert.match(csv.name, /^cart-events-demo-shop-\d{4}-\d\d-\d\d-to-\d{4}-\d\d-\d\d\.csv$/);
  const text = csv.content.toString("utf8").replace(/^\ufeff/, "");
  assert.match(text, /^id,storeName,actionType/);
  assert.equal(text.split(/\r\n(?=cart-event-)/).length - 1, 42);
  assert.ok(text.includes("\"'=HYPERLINK(\"\"https://example.com\"\")\""), "a formula is defused");
  await page.locator("#export").getByText(/^Saved: cart-events-demo-shop-.*\.csv, [\d.]+ KB\.$/).waitFor();

  const ndjson = await download(page, "ndjson");
  const lines = ndjson.content.toString("utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 42);
  assert.ok(lines.every(({ storeName }) => storeName === STORE));

  const xlsx = await download(page, "xlsx");
  assert.match(xlsx.name, /\.xlsx$/);
  assert.equal(xlsx.content.subarray(0, 4).toString("latin1"), "PK\u0003\u0004", "a workbook is a zip");
  await screenshot(page, "dashboard-export", { fullPage: true });
});

/** Answers in three parts, each named by the cursor that leads to it; the second fails once, as a busy server does. */
function inParts(page, asked, failure) {
  let hasFailed = false;
  return page.route("**/export?*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    const part = Number(query.get("cursor") ?? 1);
    asked.push([part, route.request().headers()["x-api-key"]]);
    if (part === 2 && failure && !hasFailed) {
      hasFailed = true;
      return route.fulfill({ json: { status: "error", code: "DATABASE_UNAVAILABLE", error: "…", message: "…", requestId: "1" }, ...failure });
    }
    const next = part < 3 ? { "x-next-cursor": String(part + 1) } : {};
    return route.fulfill({ headers: { "content-type": "text/plain", ...next }, body: `${part === 1 ? "header\r\n" : ""}part ${part}\r\n` });
  });
}

test("parts are put together into one file, and a busy server is waited for", async (t) => {
  // A part holds 5 MB; nobody writes that many events for a test.
  const asked = [];
  const page = await openDashboard(t, browser, gateway, { failures: true, prepare: (page) => inParts(page, asked, { status: 503, headers: { "retry-after": "1" } }) });
  await loaded(page);
  const csv = await download(page, "csv");
  assert.equal(csv.content.toString(), "header\r\npart 1\r\npart 2\r\npart 3\r\n");
  assert.deepEqual(asked.map(([part]) => part), [1, 2, 2, 3]);
  assert.ok(asked.every(([, key]) => key === gateway.key));
});

test("parts of a workbook are files of their own", async (t) => {
  const asked = [];
  const page = await openDashboard(t, browser, gateway, { prepare: (page) => inParts(page, asked) });
  await loaded(page);
  const names = [];
  page.on("download", (file) => names.push(file.suggestedFilename()));
  await page.locator('#export [data-format="xlsx"]').click();
  await page.locator("#export").getByText(/^Saved: 3 files/).waitFor();
  await page.waitForTimeout(500);
  assert.deepEqual(names.map((name) => name.replace(/^.*-(\d\.xlsx)$/, "$1")), ["1.xlsx", "2.xlsx", "3.xlsx"]);
});

test("an export that broke off goes on where it was, and one can be stopped", async (t) => {
  const asked = [];
  const page = await openDashboard(t, browser, gateway, { failures: true, prepare: (page) => inParts(page, asked, { status: 500 }) });
  await loaded(page);
  const waiting = page.waitForEvent("download");
  await page.locator('#export [data-format="ndjson"]').click();
  await page.locator("#export").getByText("Something went wrong on the server. 1 parts are here.").waitFor();
  await page.locator("#export").getByRole("button", { name: "Go on" }).click();
  const file = await waiting;
  assert.equal(readFileSync(await file.path()).toString(), "header\r\npart 1\r\npart 2\r\npart 3\r\n");
  assert.deepEqual(asked.map(([part]) => part), [1, 2, 2, 3], "no part is asked for twice");

  await page.unroute("**/export?*");
  await page.route("**/export?*", () => {});
  await page.locator('#export [data-format="csv"]').click();
  await page.locator("#export progress").waitFor();
  await page.locator("#export").getByRole("button", { name: "Stop" }).click();
  await page.locator("#export").getByText("Stopped.").waitFor();
  assert.equal(await page.locator('#export [data-format="csv"]').isEnabled(), true);
});
