// Products in a grid.

import { h, picture } from "../lib/dom.js";
import { money } from "../lib/money.js";

function card(product) {
  const href = `/demo/products/${encodeURIComponent(product.handle)}`;
  return h("li", { class: "card" },
    h("a", { href, "aria-label": `${product.title}, ${money(product.price)}` },
      h("span", { class: "card-picture" },
        picture(product.handle, ""),
        product.tryOn && h("span", { class: "card-badge", text: "Try it on" }),
      ),
      h("span", { class: "card-title", text: product.title }),
      h("span", { class: "card-price", text: money(product.price) }),
    ),
  );
}

/** A grid of products. */
export function grid(products) {
  return h("ul", { class: "grid", role: "list" }, products.map(card));
}
