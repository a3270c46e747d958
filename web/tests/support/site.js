// A small shop on a port of its own, so that the backend is a foreign origin to its pages, as it is to a real shop's.
//
// Every test is a visit of its own: a cookie says which, and with it come the variant of the pages and the cart.

import http from "node:http";
import { once } from "node:events";
import { renderPage } from "./pages.js";
import { forwardAsShopify } from "./app-proxy.js";

export const PRODUCT = {
  id: 8100000000001,
  handle: "linen-shirt",
  title: "Linen shirt",
  price: 8900,
  variants: [
    { id: 4100000000011, title: "S", price: 8900, available: true },
    { id: 4100000000012, title: "M", price: 8900, available: true },
  ],
};
/** A variant that the cart refuses, as Shopify does with what is sold out: 422. */
export const SOLD_OUT = 4100000000099;

/** Starts the shop. `open(options)` makes a visit; what `options` may hold stands at `renderPage`. */
export async function startSite() {
  const visits = new Map();
  const server = http.createServer((request, response) => {
    const visit = visits.get(/(?:^|;\s*)visit=([^;]*)/.exec(request.headers.cookie ?? "")?.[1]);
    const chunks = [];
    request.on("error", () => response.destroy());
    response.on("error", () => {});
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", async () => {
      if (!visit) return send(response, 400, "text/plain", "no visit");
      const url = new URL(request.url, "http://shop");
      visit.requests.push({ method: request.method, path: url.pathname });
      try {
        await answer(visit, request, url, Buffer.concat(chunks), response);
      } catch (error) {
        send(response, 500, "text/plain", String(error));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    open(options = {}) {
      const visit = {
        id: String(visits.size + 1),
        options,
        product: { ...PRODUCT, ...options.product },
        cart: [...(options.cart ?? [])],
        requests: [],
      };
      visits.set(visit.id, visit);
      return visit;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function answer(visit, request, url, body, response) {
  const { options, product } = visit;
  const path = url.pathname;
  const type = request.headers["content-type"] ?? "";
  switch (path) {
    case "/shop.js":
      return send(response, 200, "text/javascript", options.script ?? "");
    case "/shop.css":
      return send(response, 200, "text/css", options.style ?? "");
    case "/favicon.ico":
      return send(response, 204, "image/x-icon", "");
    case "/cart.js":
    case "/cart.json":
      return sendJson(response, 200, cartOf(visit));
    case `/products/${product.handle}.js`:
      return sendJson(response, 200, product);
    case "/cart/add.js":
    case "/cart/add": {
      const lines = await linesOf(type, body);
      if (lines.length === 0 || lines.some((line) => line.id === SOLD_OUT || !line.id)) {
        return sendJson(response, 422, {
          status: 422,
          message: "Cart Error",
          description: "The product is already sold out.",
        });
      }
      visit.cart.push(...lines.map((line) => line.quantity));
      const items = lines.map((line) => lineItem(product, line));
      // A native form is a navigation, and Shopify sends it on to the cart; scripts are answered with JSON.
      if (path === "/cart/add" && request.headers["sec-fetch-mode"] === "navigate") {
        response.writeHead(302, { location: /name="?checkout/.test(body) ? "/checkouts/cn/1" : "/cart" });
        return response.end();
      }
      const many = type.includes("json") && JSON.parse(body).items;
      return sendJson(response, 200, many ? { items } : items[0]);
    }
    case "/cart/clear.js":
      visit.cart.length = 0;
      return sendJson(response, 200, cartOf(visit));
  }
  if (options.proxied && path.startsWith("/apps/shoptrail/")) {
    return forwardAsShopify(options.proxied, request, url, body, response);
  }
  const extra = await options.answer?.(request, url, body, visit);
  if (extra) return send(response, extra.status ?? 200, extra.type ?? "text/plain", extra.body ?? "");

  const headers = options.csp ? { "content-security-policy": options.csp } : {};
  send(response, 200, "text/html; charset=utf-8", renderPage(visit, url), headers);
}

/** What is added, of the three forms in which themes say it. */
async function linesOf(type, body) {
  const line = (fields) => ({ id: Number(fields.id), quantity: Number(fields.quantity ?? 1) });
  if (type.includes("json")) {
    const sent = JSON.parse(body);
    return (sent.items ?? [sent]).map(line);
  }
  const form = await new Response(body, { headers: { "content-type": type } }).formData();
  return [line(Object.fromEntries(form))];
}

function lineItem(product, { id, quantity }) {
  const variant = product.variants.find((variant) => variant.id === id) ?? product.variants[0];
  return {
    id: variant.id,
    variant_id: variant.id,
    product_id: product.id,
    key: `${variant.id}:abc`,
    title: `${product.title} - ${variant.title}`,
    product_title: product.title,
    variant_title: variant.title,
    handle: product.handle,
    url: `/products/${product.handle}?variant=${variant.id}`,
    price: variant.price,
    quantity,
  };
}

function cartOf({ cart }) {
  const count = cart.reduce((sum, quantity) => sum + quantity, 0);
  return { token: "abc", note: "", item_count: count, items: [], total_price: count * 8900, currency: "EUR" };
}

function send(response, status, type, body, headers = {}) {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store", ...headers });
  response.end(body);
}

function sendJson(response, status, value) {
  send(response, status, "application/json", JSON.stringify(value));
}
