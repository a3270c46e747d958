// The cards, and what each of them is loaded from.

import { isAbort } from "./api.js";
import { drawAskAi } from "./ask-ai.js";
import { createCard } from "./card.js";
import { drawCustomers } from "./customers.js";
import { announce, byId } from "./dom.js";
import { drawEmpty, isEmpty } from "./empty.js";
import { createExport } from "./export.js";
import { createFeed } from "./feed.js";
import { time, ZONE } from "./format.js";
import { drawFunnel } from "./funnel.js";
import { createJourney } from "./journey.js";
import { drawOverTime } from "./over-time.js";
import { drawProducts, TOP } from "./products.js";
import { drawRefused } from "./refused.js";
import { drawTiles } from "./tiles.js";

export function createBoard() {
  let shown = null;
  let loading = null;
  const journey = createJourney();
  const openJourney = (who, name) => shown && journey.open(shown.api, shown.store, who, name);
  const card = (id, options) => createCard(byId(id), options);
  const tiles = card("tiles", { draw: drawTiles, lines: 6 });
  // What is drawn out of the period's analytics alone.
  const ofPeriod = [
    card("over-time", { draw: drawOverTime, lines: 8 }),
    card("funnel", { draw: drawFunnel, lines: 8 }),
    card("products", { draw: drawProducts, lines: 8 }),
    card("ask-ai", { draw: drawAskAi, lines: 8 }),
    card("customers", { draw: (loaded) => drawCustomers(loaded, openJourney), lines: 4 }),
  ];
  const refused = card("refused", { draw: drawRefused, lines: 4 });
  // What comes in ends the emptiness.
  const feed = createFeed(card("feed", { draw: () => [] }), openJourney, () => !byId("empty").hidden && load(shown, { keep: true }));
  const exporting = createExport(byId("export"), () => shown);

  /**
   * Loads everything for a period. The answers that several cards share are asked for once; a card that tries again asks
   * anew, together with the others that do.
   */
  function load({ api, store, period }, { keep = false } = {}) {
    loading?.abort();
    loading = new AbortController();
    const { signal } = loading;
    const isOther = !shown || shown.api !== api || shown.store !== store;
    shown = { api, store, period };
    byId("board").hidden = false;
    if (!keep) showEmpty(false);
    byId("period").textContent = `${period.words}, against ${period.beforeWords}`;

    const analytics = (query) => shared((options) => api.data("analytics", { storeName: store, ...query }, { signal, ...options }));
    const current = analytics({ ...period.query, interval: period.by, top: TOP });
    const earlier = analytics(period.before);

    const tilesLoaded = tiles.load((onWait) => loadTiles(onWait), { keep });
    /** The numbers stand for themselves until, and unless, there is something to hold them against. */
    async function loadTiles(onWait) {
      const words = period.beforeWords;
      const now = await current(onWait);
      // After it: two such questions at once would each take twice as long.
      const compared = earlier(onWait).then(
        (before) => ({ now, before, words }),
        (error) => {
          if (isAbort(error)) throw error;
          return { now, before: null, words };
        },
      );
      if (keep) return compared;
      compared.then((loaded) => signal.aborted || tiles.show(drawTiles(loaded))).catch(() => {});
      return { now, words };
    }
    const cardsLoaded = ofPeriod.map((each) => each.load(async (onWait) => ({ now: await current(onWait), period }), { keep }));
    const refusedLoaded = refused.load((onWait) => api.data("refusals", { storeName: store, ...period.utcDays }, { signal, onWait }), { keep });

    current()
      .then((now) => {
        if (signal.aborted) return;
        byId("board-title").textContent = shortName(now.range.storeName);
        document.title = `${shortName(now.range.storeName)} · Shoptrail`;
        if (isEmpty(now)) drawEmpty(byId("empty"), now.range.storeName, period);
        showEmpty(isEmpty(now));
      })
      .catch(() => {
        // The cards say so.
      });
    Promise.all([tilesLoaded, ...cardsLoaded, refusedLoaded]).then(() => {
      if (signal.aborted) return;
      byId("zone").textContent = `Times in ${ZONE}. Loaded at ${time(new Date())}.`;
      announce("The numbers are loaded");
    });
    if (isOther) {
      exporting.stop();
      byId("feed").querySelector(".card-body").replaceChildren();
      feed.start(api, store);
    }
  }

  function showEmpty(isShown) {
    byId("empty").hidden = !isShown;
    byId("board").toggleAttribute("data-is-empty", isShown);
  }

  return {
    load,
    /** Shows nothing more, and asks for nothing more. */
    close() {
      loading?.abort();
      feed.stop();
      exporting.stop();
      journey.close();
      shown = null;
      byId("board").hidden = true;
      // Nobody who comes to this screen later sees whose numbers these were.
      for (const body of byId("board").querySelectorAll("#tiles, .grid .card:not(#export)")) body.querySelector(".card-body").replaceChildren();
      document.title = "Shoptrail dashboard";
    },
  };
}

/** Asks once for many who want to know, and once more when the first answer was none. */
function shared(ask) {
  let asked = null;
  const waiting = new Set();
  return (onWait) => {
    if (onWait) waiting.add(onWait);
    asked ??= ask({ onWait: (seconds) => waiting.forEach((tell) => tell(seconds)) }).catch((error) => {
      asked = null;
      throw error;
    });
    return asked;
  };
}

/** A store's name without what all have. */
const shortName = (store) => store.replace(/\.myshopify\.com$/, "");
