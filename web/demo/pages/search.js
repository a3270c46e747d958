// The search. What was searched for is in the address, as in every Shopify shop.

import { products } from "../lib/catalogue.js";
import { h } from "../lib/dom.js";
import { grid } from "./card.js";

function matches(product, words) {
  const text = `${product.title} ${product.type} ${product.description}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export async function show(main) {
  const query = (new URLSearchParams(location.search).get("q") ?? "").trim();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? (await products()).filter((product) => matches(product, words)) : [];
  document.title = query ? `Search: ${query} – Ostrey` : "Search – Ostrey";
  const input = h("input", { id: "q", name: "q", type: "search", value: query, autocomplete: "off", maxlength: 140 });
  const things = `${found.length} ${found.length === 1 ? "thing" : "things"}`;
  main.replaceChildren(
    h("h1", { text: "Search" }),
    h("form", { class: "search", action: "/demo/search", method: "get", role: "search" },
      h("label", { class: "visually-hidden", for: "q", text: "What are you looking for?" }),
      input,
      h("button", { class: "button", type: "submit", text: "Search" }),
    ),
    h("p", { class: "quiet", role: "status", text: query ? `${found.length ? things : "Nothing"} found for “${query}”` : "Try “wool”, “canvas” or “jacket”." }),
    found.length ? grid(found) : "",
  );
}
