// After the order.

import { h } from "../lib/dom.js";
import { money } from "../lib/money.js";
import { ORDER } from "../lib/order.js";
import { track } from "../lib/shoptrail.js";

export async function show(main) {
  document.title = "Thank you – Ostrey";
  const order = ORDER.take();
  if (order) track("checkout_completed", order);
  main.replaceChildren(
    h("div", { class: "thanks" },
      h("img", { src: "/demo/assets/scene.svg", alt: "", width: 1200, height: 620 }),
      h("h1", { text: "Thank you" }),
      order && h("p", { class: "lead", text: `${order.items} ${order.items === 1 ? "thing" : "things"} for ${money(order.totalCents)}: ordered in imagination, and recorded for real.` }),
      h("p", { text: "From now on Ask AI keeps quiet: somebody who has just bought does not want to be talked into anything." }),
      h("p", {}, h("a", { class: "button", href: "/demo/", text: "Back to the shop" })),
    ),
  );
}
