// The pixel, bundled as Shopify's command line bundles it, in a worker that offers what Shopify's strict sandbox
// offers and nothing else: no window, no document, no storage but the asynchronous one.

import { fileURLToPath } from "node:url";
import vm from "node:vm";

import { build } from "esbuild";

import { init as initOf, STARTED_AT } from "./pixel-events.js";

const ENTRY = fileURLToPath(new URL("../../pixel/src/index.js", import.meta.url));

/** The options are those of Shopify's command line for extensions. */
export async function bundlePixel() {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    minify: true,
    legalComments: "none",
    target: "es6",
    loader: { ".esnext": "ts", ".js": "jsx" },
    resolveExtensions: [".tsx", ".ts", ".js", ".json", ".esnext", ".mjs", ".ejs"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return outputFiles[0].text;
}

const bundled = bundlePixel();

/** A browser: its storage outlives its pages. `refuse` makes every use of it fail. */
export function openBrowser({ refuse = false, entries = {} } = {}) {
  const items = new Map(Object.entries(entries).map(([key, value]) => [key, JSON.stringify(value)]));
  const use = async (task) => {
    // Each use crosses from the worker to the page and back.
    await new Promise((resolve) => setImmediate(resolve));
    if (refuse) throw new Error("SecurityError: storage is refused");
    return task();
  };
  const localStorage = {
    getItem: (key) => use(() => items.get(key) ?? null),
    setItem: (key, value) => use(() => void items.set(key, String(value))),
    removeItem: (key) => use(() => void items.delete(key)),
    clear: () => use(() => items.clear()),
    key: (index) => use(() => [...items.keys()][index] ?? null),
    length: () => use(() => items.size),
  };
  return {
    localStorage,
    keys: () => [...items.keys()].sort(),
    read: (key) => JSON.parse(items.get(key) ?? "null"),
    write: (key, value) => items.set(key, JSON.stringify(value)),
    text: () => [...items.values()].join("\n"),
  };
}

/**
 * Starts the pixel on a page.
 *
 * `answer` says what the backend does with a request: a status, `{ status, retryAfter }`, or an error to throw; the
 * default is 200. `fetch` replaces it altogether. Time stands still unless `pass` lets some of it pass.
 */
export async function openPage({
  browser = openBrowser(),
  settings = { endpoint: "https://api.example.com/", mode: "all" },
  consent = true,
  navigator = {},
  answer = () => 200,
  fetch,
  startedAt = STARTED_AT,
} = {}) {
  const requests = [];
  let now = startedAt;
  let timers = [];
  const subscribers = new Map();
  const privacy = new Map();
  const registered = [];
  const ask = async (url, options) => {
    const request = { url, options, body: JSON.parse(options.body), at: now };
    requests.push(request);
    if (fetch) return fetch(url, options);
    const answered = await answer(request);
    if (answered instanceof Error) throw answered;
    const { status, retryAfter } = typeof answered === "number" ? { status: answered } : answered;
    return { status, headers: { get: (name) => (name === "Retry-After" ? (retryAfter ?? null) : null) } };
  };
  class FakeDate extends Date {
    constructor(...parts) {
      super(...(parts.length ? parts : [now]));
    }
    static now() {
      return now;
    }
  }
  const sandbox = vm.createContext({
    shopify: { extend: (point, extend) => registered.push({ point, extend }) },
    fetch: ask,
    setTimeout: (task, ms) => {
      const timer = { task, at: now + ms };
      timers.push(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      timers = timers.filter((other) => other !== timer);
    },
    navigator,
    crypto,
    URL,
    Date: FakeDate,
  });
  vm.runInContext(await bundled, sandbox);

  const init = initOf();
  init.customerPrivacy.analyticsProcessingAllowed = consent;
  const subscribe = (listeners) => (name, callback) => {
    listeners.set(name, callback);
    return () => listeners.delete(name);
  };
  const api = {
    settings,
    analytics: { subscribe: subscribe(subscribers) },
    browser: { localStorage: browser.localStorage },
    init,
    customerPrivacy: { subscribe: subscribe(privacy) },
  };
  for (const { extend } of registered) extend(api);

  /** Waits until the pixel has nothing to do but to wait for time. */
  const settle = async () => {
    // A few dozen steps are the longest way of one event; each may cross to the page.
    for (let step = 0; step < 200; step += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    browser,
    requests,
    registered,
    subscribed: () => [...subscribers.keys()],
    timers: () => timers.length,
    settle,
    publish: async (...events) => {
      for (const event of events) subscribers.get(event.name)?.(event);
      await settle();
    },
    consent: async (analyticsProcessingAllowed) => {
      privacy.get("visitorConsentCollected")?.({ customerPrivacy: { analyticsProcessingAllowed } });
      await settle();
    },
    pass: async (ms) => {
      const end = now + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((timer) => timer !== next);
        now = Math.max(now, next.at);
        next.task();
        await settle();
      }
      now = end;
    },
  };
}
