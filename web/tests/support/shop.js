// All that a test in the browser needs, put together: a backend, a shop, a browser, and visits to the shop.

import assert from "node:assert/strict";
import { after } from "node:test";
import { launchBrowser, openProfile } from "./browser.js";
import { startGateway } from "./gateway.js";
import { shopifyGlobals } from "./pages.js";
import * as records from "./records.js";
import { PRODUCT, startSite } from "./site.js";
import { eventually } from "./wait.js";
import { startWire } from "./wire.js";

/**
 * For one test file: starts everything, and ends it after the file's last test. `gateway` are `startGateway`'s options, or
 * a function that makes them of the shop's URL; null starts none.
 */
export async function openShop({ gateway: options = {} } = {}) {
  const site = await startSite();
  const gateway = options && (await startGateway(typeof options === "function" ? options(site.url) : options));
  const browser = await launchBrowser();
  after(async () => {
    await browser.close();
    await gateway?.stop();
    await site.stop();
  });
  return { site, gateway, browser, visit: (t, visit) => openVisit({ site, gateway, browser }, t, visit) };
}

/**
 * A visit to the shop in a fresh profile, over a wire of its own. Beside the options of the pages:
 *
 * `clock` (a time, or true) puts the page's clock into the test's hands, `profile` are options of the browser's context,
 * `complaints` (a pattern) is what the page may print as an error, `direct` leaves the wire out, `stub` puts a wire that
 * answers by itself in place of the backend, `csp` makes a content security policy of the wire's URL, `dropped: true` allows the backend to refuse something.
 */
async function openVisit({ site, gateway, browser }, t, options = {}) {
  const wire = await startWire(options.stub ? undefined : gateway.url);
  const tracker = options.tracker ?? `${options.direct ? gateway.url : wire.url}/tracker.js`;
  const product = { ...PRODUCT, ...options.product };
  const script = `${options.bare ? "" : shopifyGlobals(product)}${options.script ?? ""}`;
  const csp = options.csp?.(wire.url);
  const state = site.open({ ...options, csp, tracker: options.tracker === null ? undefined : tracker, script });
  const { context, complaints } = await openProfile(browser, options.profile);
  await context.addCookies([{ name: "visit", value: state.id, url: site.url }]);
  const page = await context.newPage();
  if (options.clock) await page.clock.install(options.clock === true ? {} : { time: options.clock });

  const visit = {
    page,
    context,
    wire,
    site: state,
    complaints,
    /** Opens a page of the shop, and sees that the tracker is there: without it, many a test of silence would pass. */
    goto: async (path = "/", on = page) => {
      await on.goto(site.url + path);
      if (options.tracker !== null) {
        assert.ok(await on.evaluate(() => typeof globalThis.Shoptrail === "object"), "the tracker was loaded");
      }
    },
    /** The id of the session that the page has now. */
    session: (on = page) => on.evaluate(() => globalThis.Shoptrail.session),
    flush: (on = page) => on.evaluate(async () => void (await globalThis.Shoptrail.flush())),
    /** What the browser keeps for the shop beside the test's own cookie. */
    kept: async (on = page) => ({
      local: await on.evaluate(() => ({ ...localStorage })),
      session: await on.evaluate(() => ({ ...sessionStorage })),
      cookies: (await context.cookies()).filter((cookie) => cookie.name !== "visit").map((cookie) => cookie.name),
    }),
    /** Waits until no message waits to be acknowledged. */
    settled: (on = page) =>
      eventually("all messages to be acknowledged", async () => {
        const keys = await on.evaluate(() => Object.keys(localStorage));
        assert.deepEqual(keys.filter((key) => key.startsWith("shoptrail.out.")), []);
        return true;
      }),
    recorded: async (byType, { session, on = page } = {}) =>
      records.recordedExactly(gateway, session ?? (await visit.session(on)), byType),
    carted: async (count, { session, on = page } = {}) =>
      records.cartEventsExactly(gateway, session ?? (await visit.session(on)), count),
  };
  t.after(async () => {
    await context.close();
    await wire.stop();
    const allowed = options.complaints;
    assert.deepEqual(complaints.filter((text) => !allowed?.test(text)), [], "the pages complained of nothing");
    if (!options.dropped) {
      const refused = wire.requests.filter(
        ({ path, answer, status }) => (path === "/ingest" && answer?.includes('"dropped"')) || status === 400,
      );
      assert.deepEqual(refused, [], "the backend refused nothing");
    }
  });
  return visit;
}
