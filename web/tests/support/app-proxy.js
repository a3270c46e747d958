// What Shopify does with a request to a shop's app-proxy path: signs it and sends it on to the app.

import { createHmac } from "node:crypto";

/** The secret of Shopify's published example. */
export const APP_SECRET = "hush";
const PREFIX = "/apps/shoptrail";

/** Sends `request` on to `target` below the proxy's prefix, and its answer back. */
export async function forwardAsShopify(target, request, url, body, response) {
  const query = new URLSearchParams(url.search);
  query.set("shop", "demo-shop.myshopify.com");
  query.set("logged_in_customer_id", "");
  query.set("path_prefix", PREFIX);
  query.set("timestamp", String(Math.floor(Date.now() / 1000)));
  const message = [...query].map(([name, value]) => `${name}=${value}`).sort().join("");
  query.set("signature", createHmac("sha256", APP_SECRET).update(message).digest("hex"));
  const answer = await fetch(`${target}${url.pathname.slice(PREFIX.length)}?${query}`, {
    method: request.method,
    headers: { "content-type": request.headers["content-type"] ?? "", "x-forwarded-for": "203.0.113.7" },
    body: request.method === "POST" ? body : undefined,
  });
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
  response.end(Buffer.from(await answer.arrayBuffer()));
}
