// The first page: the scene, four of the products, and what this shop is for.

import { products } from "../lib/catalogue.js";
import { h } from "../lib/dom.js";
import { grid } from "./card.js";

/** One of each kind, and all of them can be tried on. */
const FEATURED = ["fisherman-sweater", "dune-dress", "chore-jacket", "breton-tee"];

export async function show(main) {
  document.title = "Ostrey";
  const all = await products();
  const featured = FEATURED.map((handle) => all.find((product) => product.handle === handle)).filter(Boolean);
  main.replaceChildren(
    h("section", { class: "hero" },
      h("img", { class: "hero-picture", src: "/demo/assets/scene.svg", alt: "Clothes drying on a line between two dunes, above the sea", width: 1200, height: 620 }),
      h("div", { class: "hero-words" },
        h("h1", { text: "Linen, wool and canvas for slow days" }),
        h("p", { text: "Twelve good things, made to be worn outdoors and to be mended." }),
        h("a", { class: "button", href: "/demo/collections/all", text: "See all clothes" }),
      ),
    ),
    h("section", { "aria-labelledby": "featured" },
      h("div", { class: "section-head" },
        h("h2", { id: "featured", text: "For the first cold evenings" }),
        h("a", { href: "/demo/collections/all", text: "All clothes" }),
      ),
      grid(featured),
    ),
  );
}
