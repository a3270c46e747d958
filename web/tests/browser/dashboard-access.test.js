// For everybody: by keyboard, by ear, on a small screen, in the dark.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../support/browser.js";
import { DESKTOP, PHONE, loaded, openDashboard, trackEvents } from "../support/dashboard.js";
import { startGateway } from "../support/gateway.js";
import { screenshot } from "../support/screenshots.js";

const gateway = await startGateway();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  await gateway.stop();
});
before(() =>
  trackEvents(
    gateway,
    Array.from({ length: 30 }, (_, index) => ({
      actionType: index % 5 === 0 ? "buy_now" : "add_to_cart",
      productId: String(index % 6),
      productTitle: ["Linen shirt", "Breton tee", "Harbour raincoat with a name that is longer than its place", "Wool socks", "Dune dress", "Tote"][index % 6],
      sessionId: `acce5500-0000-4000-8000-00000000000${index % 7}`,
      customerEmail: `a.rather.long.address.${index % 3}@subdomain.example.com`,
    })),
  ),
);

/** What has the focus, in words. */
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: element } = document;
    return element === document.body ? "" : (element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent ?? "").trim();
  });
/** The width of the ring around what has the focus, or around what stands for it. */
const ring = (page) =>
  page.evaluate(() => {
    const shown = document.activeElement.matches(".segments input") ? document.activeElement.nextElementSibling : document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    return outlineStyle === "none" ? 0 : parseFloat(outlineWidth);
  });

test("everything is reached and done with the keyboard alone", async (t) => {
  const page = await openDashboard(t, browser, gateway, { key: null });
  await page.getByLabel("API key").waitFor();
  await page.keyboard.type(gateway.key);
  await page.keyboard.press("Enter");
  await loaded(page);
  assert.equal(await page.evaluate(() => document.activeElement.id), "board-title");

  await page.reload();
  await loaded(page);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Skip to the content");
  const reached = [];
  for (let presses = 0; presses < 90; presses += 1) {
    await page.keyboard.press("Tab");
    const name = await focused(page);
    if (name === "") break;
    reached.push(name);
    assert.ok((await ring(page)) >= 2, `${name} shows that it has the focus`);
  }
  for (const wanted of ["Store", "Show", "Refresh", "Forget key", "7 days", "By day", "Show as a table", "Pause", "CSV, for any spreadsheet", "API"]) {
    assert.ok(reached.includes(wanted), `${wanted} in ${reached.join(" | ")}`);
  }
  assert.ok(reached.some((name) => name.startsWith("Journey of ")), reached.join(" | "));

  await page.locator('input[name="range"][value="7d"]').focus();
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(/range=today/);
  await loaded(page);
  await page.locator("#feed-pause").focus();
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#feed-pause").getAttribute("aria-pressed"), "true");
});

test("the journey's dialog takes the focus, keeps it, and gives it back", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  const opener = page.locator("#feed li button").nth(2);
  await opener.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Journey" });
  await dialog.waitFor();
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press("Tab");
    const inside = await page.evaluate(() => document.activeElement === document.body || document.getElementById("journey").contains(document.activeElement));
    assert.ok(inside, "the focus stays inside");
  }
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.ok(await opener.evaluate((button) => button === document.activeElement), "the focus is back where it was");
});

test("landmarks, headings, tables and controls have names", async (t) => {
  const page = await openDashboard(t, browser, gateway);
  await loaded(page);
  const found = await page.evaluate(() => ({
    landmarks: ["header", "main", "footer"].map((name) => document.querySelectorAll(`body > ${name}`).length),
    title: document.title,
    language: document.documentElement.lang,
    headings: [...document.querySelectorAll("#board :is(h1, h2, h3), dialog h2")].filter((heading) => heading.closest("[hidden]") === null).map(({ tagName }) => Number(tagName[1])),
    unnamedSections: [...document.querySelectorAll("section")].filter((section) => !document.getElementById(section.getAttribute("aria-labelledby"))?.textContent && !section.hidden).map(({ id }) => id),
    tablesWithoutCaption: [...document.querySelectorAll("table")].filter((table) => !table.caption?.textContent).length,
    cellsWithoutHeader: [...document.querySelectorAll("tbody tr")].filter((row) => row.querySelector('th[scope="row"]') === null).length,
    unnamedButtons: [...document.querySelectorAll("button")].filter((button) => !(button.getAttribute("aria-label") ?? button.textContent).trim()).length,
    unnamedInputs: [...document.querySelectorAll("input")].filter((input) => !input.labels?.length && !input.ariaLabel).map(({ id }) => id),
    unnamedCharts: [...document.querySelectorAll("canvas")].filter((canvas) => !canvas.getAttribute("aria-label")).length,
    sameIds: [...document.querySelectorAll("[id]")].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) !== index),
    status: document.getElementById("status").textContent,
  }));
  assert.deepEqual(found.landmarks, [1, 1, 1]);
  assert.equal(found.title, "demo-shop · Shoptrail");
  assert.equal(found.language, "en");
  assert.equal(found.headings.filter((level) => level === 1).length, 1);
  found.headings.reduce((before, level) => (assert.ok(level <= before + 1, `no level is left out: ${found.headings}`), level));
  for (const name of ["unnamedSections", "unnamedInputs", "sameIds"]) assert.deepEqual(found[name], [], name);
  for (const name of ["tablesWithoutCaption", "cellsWithoutHeader", "unnamedButtons", "unnamedCharts"]) assert.equal(found[name], 0, name);
  assert.equal(found.status, "The numbers are loaded");
});

for (const width of [320, 360, 768, 1024]) {
  test(`at ${width} pixels nothing scrolls sideways`, async (t) => {
    const profile = width < 700 ? { ...PHONE, viewport: { width, height: 780 } } : { ...DESKTOP, viewport: { width, height: 900 } };
    const page = await openDashboard(t, browser, gateway, { profile });
    await loaded(page);
    await page.getByRole("radio", { name: "Custom" }).check();
    await page.getByRole("button", { name: "Show as a table" }).evaluateAll((buttons) => buttons.forEach((button) => button.click()));
    const over = await page.evaluate(() => {
      const clipped = (element) => element.closest(".table-room, .feed, .sr-only, .skip") !== null;
      const wide = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5 && !clipped(element));
      return [document.documentElement.scrollWidth - document.documentElement.clientWidth, wide.map(({ tagName, id, className }) => `${tagName}#${id}.${className}`)];
    });
    assert.deepEqual(over, [0, []]);
    if (width === 360) await screenshot(page, "dashboard-phone", { fullPage: true });
    await page.locator("#feed li button").first().click();
    await page.getByRole("dialog").waitFor();
    assert.ok(await page.evaluate(() => document.getElementById("journey").scrollWidth <= document.getElementById("journey").clientWidth));
    if (width === 360) await screenshot(page, "dashboard-phone-journey");
  });
}

/** How well a text is told from what is behind it (WCAG 2). */
function contrast(page, selector) {
  return page.locator(selector).first().evaluate((element) => {
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const light = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = element;
    while (behind && (channels(getComputedStyle(behind).backgroundColor)[3] ?? 1) < 1) behind = behind.parentElement;
    const [one, other] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map((color) => light(channels(color)) + 0.05);
    return Math.max(one, other) / Math.min(one, other);
  });
}

for (const colorScheme of ["light", "dark"]) {
  test(`in the ${colorScheme} every text can be read`, async (t) => {
    const page = await openDashboard(t, browser, gateway, { profile: { ...DESKTOP, colorScheme } });
    await loaded(page);
    for (const selector of ["h1", ".quiet", ".figure", "[data-direction] .chip", ".about", "thead th", "tbody th", ".feed time", ".feed .action", "#feed-pause", ".segments input:checked + span", ".segments input:not(:checked) + span", ".store-form label", ".brand", "button.link", ".foot a", ".verdict, .nothing"]) {
      assert.ok((await contrast(page, selector)) >= 4.5, `${selector}: ${await contrast(page, selector)}`);
    }
    await screenshot(page, `dashboard-${colorScheme}`, { fullPage: true });
  });
}

test("when it gets dark, the charts are drawn anew in colours of the dark", async (t) => {
  const page = await openDashboard(t, browser, gateway, { profile: { ...DESKTOP, colorScheme: "light" } });
  await loaded(page);
  const colors = () => page.evaluate(() => Object.values(Chart.instances).map(({ data, options }) => [data.datasets[0].backgroundColor, options.scales.y.ticks.color]));
  const light = await colors();
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForFunction((before) => Object.values(Chart.instances)[0].data.datasets[0].backgroundColor !== before, light[0][0]);
  const dark = await colors();
  assert.equal(dark.length, light.length, "none is drawn twice");
  dark.forEach(([fill, ink], index) => assert.ok(fill !== light[index][0] && ink !== light[index][1], `chart ${index}`));
});

test("who wants less motion gets none", async (t) => {
  const page = await openDashboard(t, browser, gateway, { profile: { ...DESKTOP, reducedMotion: "reduce" } });
  await loaded(page);
  assert.deepEqual(await page.evaluate(() => document.getAnimations().length), 0);
  assert.ok(await page.evaluate(() => Object.values(Chart.instances).every(({ options }) => options.animation === false)));
});
