// The customers with the most cart events; a click shows the way of one.

import { nothing } from "./card.js";
import { button, el } from "./dom.js";
import { count } from "./format.js";
import { plain, written } from "./text.js";

/** How many are shown: a taste, of which the export has the whole. */
const MOST = 5;

export function drawCustomers({ now: { customers } }, openJourney) {
  if (customers.length === 0) return nothing("Nobody in this range was signed in.");
  return el(
    "ul",
    { class: "rows" },
    customers.slice(0, MOST).map(({ customerId, customerEmail, events }) => {
      const name = customerEmail ?? `Customer ${customerId}`;
      const who = customerId ? { customerId } : { customerEmail };
      return el(
        "li",
        {},
        written(name),
        el("span", { class: "number strong" }, count(events)),
        button("Journey", () => openJourney(who, name), { class: "small", "aria-label": `Journey of ${plain(name)}` }),
      );
    }),
  );
}
