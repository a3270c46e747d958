// The browser: Debian's Chromium, one for a test file, with a fresh profile for each test.

import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** What no step of a test may take longer than: pages are tiny and served from this machine. */
const STEP_MS = 15_000;

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ARGUMENTS,
    timeout: 60_000,
  });
}

/**
 * A fresh profile. `complaints` collects what its pages print as errors or throw; a failed request is one of them only by
 * its text, "Failed to load resource".
 */
export async function openProfile(browser, options = {}) {
  const context = await browser.newContext({ locale: "en-US", ...options });
  context.setDefaultTimeout(STEP_MS);
  const complaints = [];
  context.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${message.text()} (${message.location().url})`);
  });
  context.on("weberror", (error) => complaints.push(`thrown: ${error.error().stack ?? error.error()}`));
  return { context, complaints };
}
