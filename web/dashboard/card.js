// A card: what it shows while its answer is on the way, when it is there, when it is empty, and when it does not come.

import { button, el, unseen } from "./dom.js";
import { isAbort } from "./api.js";

/**
 * The card that a section of the page is. `draw` makes its content out of what was loaded: a list of nodes, or an element;
 * `lines` is about as high as that is, in lines.
 */
export function createCard(section, { draw, lines = 5 }) {
  const body = section.querySelector(".card-body");
  let newest = 0;

  function show(...nodes) {
    body.removeAttribute("aria-busy");
    body.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  }

  function showLoading() {
    body.setAttribute("aria-busy", "true");
    body.replaceChildren(
      el("div", { class: "skeleton" }, unseen("Loading"), Array.from({ length: lines }, () => el("span", { "aria-hidden": true }))),
    );
  }

  function showWaiting(seconds) {
    const note = body.querySelector(".waiting") ?? el("p", { class: "waiting", role: "status" });
    note.textContent = `The server is busy. Trying again in ${seconds} s.`;
    if (!note.isConnected) body.prepend(note);
  }

  function showFailure(error, retry) {
    show(
      el(
        "div",
        { class: "failure", role: "alert" },
        el("p", {}, error?.name === "ApiError" ? error.message : "This could not be shown."),
        error.kind === "wrong" ? null : button("Try again", retry),
      ),
    );
  }

  return {
    section,
    show,
    /**
     * Loads and draws. `load` is given what to tell of waits; `keep` leaves what is shown until its successor is there.
     * A failure is this card's own, and does not reach the others.
     */
    async load(load, { keep = false } = {}) {
      const mine = (newest += 1);
      const isNewest = () => mine === newest;
      if (keep && body.childElementCount > 0) body.setAttribute("aria-busy", "true");
      else showLoading();
      try {
        const loaded = await load((seconds) => isNewest() && showWaiting(seconds));
        if (isNewest()) show(draw(loaded));
      } catch (error) {
        if (isAbort(error) || !isNewest()) return;
        if (error?.name !== "ApiError") console.error(error);
        showFailure(error, () => this.load(load));
      }
    },
  };
}

/** What a card shows where there is nothing to show. */
export const nothing = (text) => el("p", { class: "nothing" }, text);
