// A path that is no page.

import { h } from "../lib/dom.js";

export async function show(main) {
  document.title = "Not found – Ostrey";
  main.replaceChildren(
    h("h1", { text: "There is nothing here" }),
    h("p", { class: "lead", text: "The page may have moved, or it never was." }),
    h("p", {}, h("a", { class: "button", href: "/demo/collections/all", text: "See all clothes" })),
  );
}
