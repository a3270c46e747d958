// The products with the most cart events, and how many of those who looked put them into the cart.

import { bar } from "./bars.js";
import { nothing } from "./card.js";
import { el } from "./dom.js";
import { count, percent } from "./format.js";
import { written } from "./text.js";
import { countOf } from "./words.js";

/** How many are shown. */
export const TOP = 10;

export function drawProducts({ now: { products, funnel } }) {
  if (products.length === 0) return nothing("No products in this range.");
  const most = Math.max(...products.map(({ events }) => events));
  const seen = new Map((funnel.products ?? []).map(({ productId, steps }) => [productId, steps]));
  const column = (name, title, className = "number") => el("th", { scope: "col", class: className, title }, name);
  return el(
    "table",
    { class: "products" },
    el("caption", { class: "sr-only" }, "Products with the most cart events"),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        column("Product", null, null),
        column("Events", "All cart events"),
        column("Added", "Add to cart", "number roomy"),
        column("At once", "Buy now", "number roomy"),
        column("Looked", "Visitors who looked at the product, tried it on or took it", "number roomy"),
        column("Took", "Visitors who put it into the cart, of those who looked"),
      ),
    ),
    el(
      "tbody",
      {},
      products.map(({ productId, productTitle, events, byAction }) => {
        const steps = seen.get(productId);
        const [looked, took] = ["session", "add_to_cart"].map((name) => steps?.find((step) => step.name === name)?.visitors ?? 0);
        return el(
          "tr",
          { "data-product": productId },
          el("th", { scope: "row" }, written(productTitle, `Product ${productId ?? "without an id"}`), bar(events / most)),
          el("td", { class: "number strong" }, count(events)),
          el("td", { class: "number roomy" }, count(countOf(byAction, "add_to_cart"))),
          el("td", { class: "number roomy" }, count(countOf(byAction, "buy_now"))),
          el("td", { class: "number roomy" }, steps ? count(looked) : "–"),
          el("td", { class: "number" }, looked > 0 ? percent(took / looked) : "–"),
        );
      }),
    ),
  );
}
