// What the panel says where it has nothing to show.

import { h } from "../lib/dom.js";

const REASONS = {
  gpc: "Your browser sends Global Privacy Control, which asks not to be tracked.",
  dnt: "Your browser sends Do Not Track.",
  off: "This browser opted out, or has not agreed to be tracked.",
  absent: "The tracker's script did not load: a blocker may have stopped it, or it is not built yet.",
};

/** Nothing is recorded, and why. */
export function notTracked(why) {
  return h("div", { class: "notice", role: "status" },
    h("p", { class: "notice-title", text: "Nothing is recorded" }),
    h("p", { text: REASONS[why] }),
    why !== "absent" && h("p", { text: "The tracker obeys: it keeps nothing in this browser and sends nothing. The shop works as before." }),
  );
}

/** The backend does not answer, or nobody can ask it. */
export function unreachable(online) {
  return h("div", { class: "notice is-warning", role: "status" },
    h("p", { class: "notice-title", text: online ? "The backend does not answer" : "You are offline" }),
    h("p", { text: "The tracker keeps what you do in this browser, and sends it when the backend is back in reach. Below is what it knew last." }),
  );
}

/** A place for what is to come. */
export function nothingYet(text) {
  return h("p", { class: "empty", text });
}
