// Reads the record of this visit again and again, while somebody can see it.

import { shoptrail } from "../lib/shoptrail.js";

const EVERY_MS = 1_500;
/** A gateway on the same computer answers at once; one that does not in this time is not there. */
const TIMEOUT_MS = 5_000;
/** What a flush or a question changes is stored a moment after. */
const SOON_MS = 150;

/** Why nothing is recorded, as far as the page can see. */
function whyNot(tracker) {
  if (!tracker) return "absent";
  if (navigator.globalPrivacyControl) return "gpc";
  if (navigator.doNotTrack === "1") return "dnt";
  return "off";
}

export class Feed {
  #draw;
  #timer;
  #reading = false;
  #again = false;
  #last = { id: null, data: null };

  constructor(draw) {
    this.#draw = draw;
  }

  async start() {
    await shoptrail();
    document.addEventListener("visibilitychange", () => this.soon());
    document.addEventListener("demo:recorded", () => this.soon());
    this.#followFlushes();
    this.#read();
  }

  /** Reads in a moment instead of at the next turn. */
  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), SOON_MS);
  }

  /** The tracker's own `flush` says when it is done; whoever calls it, the panel follows. */
  #followFlushes() {
    const tracker = window.Shoptrail;
    const flush = tracker?.flush;
    if (!flush || Object.isFrozen(tracker)) return;
    try {
      tracker.flush = async (...given) => {
        try {
          return await flush.apply(tracker, given);
        } finally {
          this.soon();
        }
      };
    } catch {
      // Then the next turn shows it.
    }
  }

  async #read() {
    if (document.visibilityState !== "visible") return;
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    clearTimeout(this.#timer);
    const tracker = window.Shoptrail;
    const id = tracker?.session ?? null;
    if (id === null) {
      this.#draw({ tracked: false, reachable: true, why: whyNot(tracker) });
    } else {
      const data = await this.#fetch(id);
      // While it was read another visit may have begun.
      if (tracker.session === id) {
        if (data || this.#last.id !== id) this.#last = { id, data };
        this.#draw({ tracked: true, id, reachable: data !== null, data: this.#last.data });
      }
    }
    this.#reading = false;
    const next = this.#again ? SOON_MS : EVERY_MS;
    this.#again = false;
    this.#timer = setTimeout(() => this.#read(), next);
  }

  async #fetch(id) {
    try {
      const answer = await fetch(`/demo/api/sessions/${encodeURIComponent(id)}`, {
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }
}
