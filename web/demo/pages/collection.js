// All products. The filter is in the address, so that back and forward work as between pages.

import { products, typesOf } from "../lib/catalogue.js";
import { h } from "../lib/dom.js";
import { grid } from "./card.js";

const ORDERS = {
  featured: ["Featured", () => 0],
  "price-ascending": ["Price, low to high", (a, b) => a.price - b.price],
  "price-descending": ["Price, high to low", (a, b) => b.price - a.price],
  "title-ascending": ["Name", (a, b) => a.title.localeCompare(b.title)],
};

function wishes() {
  const query = new URLSearchParams(location.search);
  const order = query.get("sort_by") ?? "featured";
  return { type: query.get("type"), order: Object.hasOwn(ORDERS, order) ? order : "featured" };
}

function address({ type, order }) {
  const query = new URLSearchParams();
  if (type) query.set("type", type);
  if (order !== "featured") query.set("sort_by", order);
  return query.size ? `${location.pathname}?${query}` : location.pathname;
}

export async function show(main) {
  const all = await products();
  const heading = h("h1");
  const count = h("p", { class: "quiet", role: "status" });
  const results = h("div");

  const chips = [null, ...typesOf(all)].map((type) =>
    h("a", {
      class: "chip",
      href: address({ type, order: wishes().order }),
      "data-type": type ?? "",
      text: type ?? "Everything",
      on: {
        click(event) {
          if (event.ctrlKey || event.metaKey || event.shiftKey || event.button > 0) return;
          event.preventDefault();
          const wished = { ...wishes(), type };
          if (address(wished) !== location.pathname + location.search) history.pushState(null, "", address(wished));
          update();
        },
      },
    }),
  );
  const order = h("select", {
    id: "order",
    on: {
      change() {
        // Another order of the same things is no step to go back to.
        history.replaceState(null, "", address({ ...wishes(), order: order.value }));
        update();
      },
    },
  }, Object.entries(ORDERS).map(([value, [label]]) => h("option", { value, text: label })));

  function update() {
    const wished = wishes();
    const found = all
      .filter((product) => !wished.type || product.type === wished.type)
      .sort(ORDERS[wished.order][1]);
    heading.textContent = wished.type ?? "All clothes";
    document.title = `${heading.textContent} – Ostrey`;
    count.textContent = `${found.length} ${found.length === 1 ? "product" : "products"}`;
    order.value = wished.order;
    for (const chip of chips) {
      if (chip.dataset.type === (wished.type ?? "")) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
    results.replaceChildren(
      found.length ? grid(found) : h("p", { class: "lead", text: "Nothing of this kind. Everything else is one click away." }),
    );
  }

  addEventListener("popstate", update);
  update();
  main.replaceChildren(
    heading,
    h("div", { class: "filters" },
      h("nav", { class: "chips", "aria-label": "Kinds of clothes" }, chips),
      h("div", { class: "order" }, h("label", { for: "order", text: "Order" }), order),
    ),
    count,
    results,
  );
}
