// Trying something on: choose a figure, wait a moment, see the garment on it. A drawing stands in for the
// model of a real try-on widget; what is sent to the backend is what such a widget sends.

import { h } from "./lib/dom.js";
import { shoptrail } from "./lib/shoptrail.js";

const FIGURES = [["ines", "Ines"], ["noor", "Noor"], ["theo", "Theo"]];
/** A real one takes ten times as long; this is enough to see that something happens. */
const PRETENDED_MS = 1_600;
const SHEET = "/demo/assets/models/fitting-room.svg";

/** The sheet has one named view for each figure, and one for each figure with each garment. */
function view(figure, handle) {
  return handle ? `${SHEET}#${figure}-${handle}` : `${SHEET}#${figure}`;
}

function figureName(figure) {
  return FIGURES.find(([id]) => id === figure)[1];
}

async function record(product, figure) {
  const tracker = await shoptrail();
  if (!tracker?.session) return "Not recorded: this visit is not tracked.";
  const variant = document.querySelector(".product-form [name=id]:checked")?.value;
  const answer = await fetch("/api/image-generations/track", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      storeName: "demo-shop",
      sessionId: tracker.session,
      productId: String(product.id),
      productTitle: product.title,
      variantId: variant,
      status: "completed",
      generatedImageUrl: new URL(view(figure, product.handle), location.origin).href,
      eventId: crypto.randomUUID?.() ?? `try-on-${Date.now()}-${Math.random().toString(36).slice(2, 10)}`,
    }),
  }).catch(() => null);
  document.dispatchEvent(new Event("demo:recorded"));
  return answer?.ok ? "Recorded with this visit." : "The backend did not take the record.";
}

function choice(product, wear) {
  return h("form", {
    class: "try-on-step", method: "dialog",
    on: {
      submit(event) {
        event.preventDefault();
        wear(new FormData(event.target).get("figure"));
      },
    },
  },
    h("p", { text: "Who wears it?" }),
    h("fieldset", { class: "figures" },
      h("legend", { class: "visually-hidden", text: "Figure" }),
      FIGURES.map(([id, name], index) =>
        h("label", { class: "figure" },
          h("input", { type: "radio", name: "figure", value: id, checked: index === 0 }),
          h("img", { src: view(id), alt: "", width: 300, height: 600 }),
          h("span", { text: name }),
        ),
      ),
    ),
    h("button", { type: "submit", class: "button is-wide", "data-action": "try_on", text: `Try the ${product.title.toLowerCase()} on` }),
  );
}

function progress(figure, product) {
  return h("div", { class: "try-on-step is-waiting", role: "status" },
    h("img", { src: view(figure), alt: "", width: 300, height: 600 }),
    h("div", { class: "progress" }, h("span", { class: "progress-bar" })),
    h("p", { text: `${figureName(figure)} is putting the ${product.title.toLowerCase()} on …` }),
  );
}

function result(figure, product, again, close) {
  const said = h("p", { class: "quiet", role: "status", text: "Recording …" });
  record(product, figure).then((words) => { said.textContent = words; });
  return h("div", { class: "try-on-step" },
    h("img", { class: "try-on-result", src: view(figure, product.handle), alt: `${figureName(figure)} wears the ${product.title.toLowerCase()}`, width: 300, height: 600 }),
    said,
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "button", text: "Looks good", on: { click: close } }),
      h("button", { type: "button", class: "button is-plain", text: "Another figure", on: { click: again } }),
    ),
  );
}

function open(product) {
  const body = h("div");
  const dialog = h("dialog", { class: "try-on", "aria-label": `Try the ${product.title} on` },
    h("div", { class: "try-on-head" },
      h("h2", { text: "Try it on" }),
      h("button", { type: "button", class: "close", "aria-label": "Close", text: "×", on: { click: () => dialog.close() } }),
    ),
    body,
    h("p", { class: "quiet try-on-note", text: "Drawn figures stand in for a model that makes pictures. No photo is asked for." }),
  );
  let waiting;
  const choose = () => {
    body.replaceChildren(choice(product, wear));
    body.querySelector("input").focus();
  };
  function wear(figure) {
    body.replaceChildren(progress(figure, product));
    waiting = setTimeout(() => {
      body.replaceChildren(result(figure, product, choose, () => dialog.close()));
      body.querySelector("button").focus();
    }, PRETENDED_MS);
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    clearTimeout(waiting);
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  choose();
}

/** The button that opens the fitting room for a product. */
export function tryOnButton(product) {
  return h("button", { type: "button", class: "button is-quiet try-on-button", "data-action": "open_try_on", text: "Try it on", on: { click: () => open(product) } });
}
