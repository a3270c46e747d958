// The dashboard: what is looked at, with which key, and what follows when either changes.

import { createApi } from "./api.js";
import { createBoard } from "./board.js";
import { createControls } from "./controls.js";
import { announce, byId } from "./dom.js";
import { ZONE } from "./format.js";
import { createGate } from "./gate.js";
import { forgetKey, keepKey, readKey } from "./key.js";
import { periodOf } from "./period.js";
import { readView, writeView } from "./view.js";

const board = createBoard();
let view = readView();
let api = null;

const gate = createGate(({ key, store }) => {
  keepKey(key);
  api = null;
  view = { ...view, store };
  writeView(view, { replace: true });
  show();
  byId("board-title").focus();
});

const controls = createControls((changed) => {
  view = { ...view, ...changed };
  // An interval was chosen for the range that was there.
  if ("range" in changed) view.by = null;
  writeView(view);
  show();
});

/** Shows the view, or asks for what is missing for it. */
function show({ keep = false } = {}) {
  const key = readKey();
  if (!key || view.store === "") return close();
  api ??= createApi(key, onDenied);
  const period = periodOf(view);
  byId("zone").textContent = `Times in ${ZONE}.`;
  gate.hide();
  byId("bar-tools").hidden = false;
  controls.show(view, period);
  byId("board-title").textContent = view.store.replace(/\.myshopify\.com$/, "");
  board.load({ api, store: view.store, period }, { keep });
}

function close(message, key) {
  api = null;
  board.close();
  byId("bar-tools").hidden = true;
  gate.show(view.store, message, key);
}

/** The key is not good for this. Several requests may find that out; the first says it. */
function onDenied({ message, status }) {
  if (!api) return;
  const key = readKey();
  const isKnown = status === 403;
  if (!isKnown) forgetKey();
  // Where it is good for another store, nobody has to find it again.
  close(message, isKnown ? key : "");
}

byId("refresh").addEventListener("click", () => show({ keep: true }));
byId("forget").addEventListener("click", () => {
  forgetKey();
  close();
  announce("The key is forgotten");
});
addEventListener("popstate", () => {
  view = readView();
  show();
});

show();
