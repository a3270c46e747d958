// The shop's pages: which one a path is, and what all of them share.

import { readCart } from "./lib/cart.js";
import { h } from "./lib/dom.js";
import "./panel.js";

const PAGES = [
  [/^\/demo\/?$/, () => import("./pages/home.js")],
  [/^\/demo\/collections\/all\/?$/, () => import("./pages/collection.js")],
  [/^\/demo\/products\/([^/]+)\/?$/, () => import("./pages/product.js")],
  [/^\/demo\/search\/?$/, () => import("./pages/search.js")],
  [/^\/demo\/cart\/?$/, () => import("./pages/cart.js")],
  [/^\/demo\/checkout\/?$/, () => import("./pages/checkout.js")],
  [/^\/demo\/checkout\/thank-you\/?$/, () => import("./pages/thank-you.js")],
];

const main = document.getElementById("main");

async function show() {
  for (const [path, load] of PAGES) {
    const match = path.exec(location.pathname);
    if (match) return (await load()).show(main, match[1]);
  }
  return (await import("./pages/not-found.js")).show(main);
}

function showCount({ detail: cart }) {
  const count = document.getElementById("cart-count");
  if (count.textContent !== String(cart.item_count)) count.textContent = cart.item_count;
}

function markCurrentLink() {
  for (const link of document.querySelectorAll(".nav a, .cart-link")) {
    if (link.href === location.href) link.setAttribute("aria-current", "page");
  }
}

/** Starts the tracker: after the first drawing, so that it finds the product and the title of a page that a server would have written. */
function install() {
  document.head.append(document.getElementById("tracker").content.cloneNode(true));
}

document.addEventListener("demo:cart", showCount);
// A page that comes back from the browser's back-forward cache shows the cart of then.
addEventListener("pageshow", (event) => {
  if (event.persisted) readCart().catch(() => {});
});
markCurrentLink();
readCart().catch(() => {});

show().catch(() => {
  main.replaceChildren(
    h("h1", { text: "The shop does not answer" }),
    h("p", { class: "lead", text: "Is the gateway still running? Load the page again when it is." }),
  );
}).finally(install);
