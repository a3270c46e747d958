// The store's field, the range, the interval: what is looked at.

import { byId } from "./dom.js";
import { addDays, dayName, problemOf } from "./period.js";

/** Days that a range of one's own begins with. */
const CUSTOM_DAYS = 14;

/** The controls; `onChange` is called with the parts of the view that somebody changed. */
export function createControls(onChange) {
  const [store, from, to, custom, message] = ["store", "from", "to", "custom", "custom-message"].map(byId);
  const ranges = [...document.querySelectorAll('input[name="range"]')];
  const intervals = [...document.querySelectorAll('input[name="interval"]')];

  byId("store-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (store.value.trim() !== "") onChange({ store: store.value.trim() });
  });

  for (const input of ranges) {
    input.addEventListener("change", () => {
      custom.hidden = input.value !== "custom";
      if (input.value !== "custom") return onChange({ range: input.value });
      const today = new Date();
      to.value ||= dayName(today);
      from.value ||= dayName(addDays(today, 1 - CUSTOM_DAYS));
    });
  }

  byId("range-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const problem = problemOf(from.value, to.value);
    message.textContent = problem ?? "";
    message.hidden = problem === null;
    if (problem === null) onChange({ range: "custom", from: from.value, to: to.value });
  });

  byId("interval-form").addEventListener("submit", (event) => event.preventDefault());
  for (const input of intervals) input.addEventListener("change", () => onChange({ by: input.value }));

  return {
    /** Shows what is looked at. */
    show(view, period) {
      store.value = view.store;
      for (const input of ranges) input.checked = input.value === view.range;
      for (const input of intervals) {
        input.checked = input.value === period.by;
        input.disabled = input.value === "hour" && !period.canBeHourly;
      }
      custom.hidden = view.range !== "custom";
      message.hidden = true;
      [from.value, to.value] = view.range === "custom" ? [view.from, view.to] : ["", ""];
    },
  };
}
