// The settings that the app gave this shop's pixel.

/**
 * What the pixel records beside the storefront's tracker.
 * `auto`: what no tracker sees; `checkout`: what a tracker can never see; `all`: everything.
 * @typedef {"auto" | "checkout" | "all"} Mode
 */

/** @typedef {{ endpoint: string, store: string | undefined, mode: Mode }} Settings */

/**
 * Null where there is no usable endpoint: then the pixel does nothing at all.
 * @param {Record<string, unknown>} settings
 * @param {import("@shopify/web-pixels-extension").RegisterInit} init
 * @returns {Settings | null}
 */
export function readSettings(settings, init) {
  const endpoint = readEndpoint(trimmed(settings?.endpoint), init?.context?.document?.location?.origin);
  if (!endpoint) return null;
  const mode = trimmed(settings?.mode);
  return {
    endpoint,
    // The permanent domain is the one name of a shop that never changes, and the one that Shopify signs.
    store: trimmed(settings?.store) || init?.data?.shop?.myshopifyDomain || undefined,
    mode: mode === "all" || mode === "checkout" ? mode : "auto",
  };
}

/**
 * A path such as `/apps/shoptrail` means the shop's own domain: a worker has no page to resolve it against.
 * @param {string} text
 * @param {string | undefined} origin
 */
function readEndpoint(text, origin) {
  if (!text) return null;
  try {
    const url = new URL(text, origin);
    if (url.protocol !== "https:" && url.protocol !== "http:") return null;
    return url.origin + url.pathname.replace(/\/+$/, "");
  } catch {
    return null;
  }
}

/** @param {unknown} value */
function trimmed(value) {
  return typeof value === "string" ? value.trim() : "";
}
