// What somebody sees before anything was collected: how it begins.

import { announce, button, el } from "./dom.js";

/** Whether nothing at all happened. */
export function isEmpty({ totals, funnel, askAi }) {
  return totals.events === 0 && funnel.steps.every(({ visitors }) => visitors === 0) && askAi.decisions === 0;
}

/** Fills the panel for a store in which nothing happened. */
export function drawEmpty(panel, store, period) {
  const tracker = new URL("../tracker.js", import.meta.url).href;
  panel.replaceChildren(
    el("h2", { id: "empty-title" }, "Nothing here yet"),
    el("p", {}, "Nothing was collected of ", el("bdi", {}, store), ` in this range (${period.words}). Choose a longer one above, or begin:`),
    el(
      "ol",
      {},
      el("li", {}, el("h3", {}, "Put one tag into the storefront"), snippet(`<script src="${tracker}" data-store="${store}" defer></script>`)),
      el(
        "li",
        {},
        el("h3", {}, "Or look at it with made-up traffic"),
        el("p", { class: "about" }, "On your own machine, in the folder of the source:"),
        snippet(`cargo run -p shoptrail-admin -- demo-data --store ${store} --days 30 --events 50000`),
      ),
    ),
  );
}

function snippet(text) {
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      announce("Copied");
    } catch {
      // It can still be selected.
      getSelection()?.selectAllChildren(code);
    }
  }, { class: "small" });
  const code = el("code", {}, text);
  return el("div", { class: "snippet" }, el("pre", { tabindex: 0 }, code), copy);
}
