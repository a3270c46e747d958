// The range's events as files. A range comes in parts, each of which tells how to go on.

import { isAbort } from "./api.js";
import { button, el } from "./dom.js";
import { bytes, count } from "./format.js";

const FORMATS = {
  csv: { name: "CSV", about: "for any spreadsheet", type: "text/csv" },
  xlsx: { name: "XLSX", about: "for Excel; large ranges as several files", type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
  ndjson: { name: "NDJSON", about: "one JSON object a line", type: "application/x-ndjson" },
};

/** The card. `current()` gives the API, the store and the period that are shown. */
export function createExport(section, current) {
  const body = section.querySelector(".card-body");
  const state = el("p", { class: "export-state", role: "status" });
  const progress = el("progress", { "aria-label": "Export", hidden: true });
  const cancel = button("Stop", () => running?.abort(), { class: "small", hidden: true });
  const again = button("Go on", () => resume(), { class: "small", hidden: true });
  const starts = Object.entries(FORMATS).map(([format, { name, about }]) =>
    button(name, () => start(format), { title: about, "data-format": format, "aria-label": `${name}, ${about}` }));
  body.append(
    el("p", { class: "about" }, "All cart events of the store and range above, whole."),
    el("div", { class: "buttons" }, starts),
    progress,
    el("div", { class: "export-line" }, state, cancel, again),
  );
  let running = null;
  let resume = () => {};

  function show({ isRunning, canGoOn = false, text }) {
    starts.forEach((made) => made.toggleAttribute("disabled", isRunning));
    progress.hidden = !isRunning;
    cancel.hidden = !isRunning;
    again.hidden = !canGoOn;
    if (text !== undefined) state.textContent = text;
  }

  function start(format) {
    const { api, store, period } = current();
    const job = { format, api, query: { storeName: store, ...period.query, format }, name: fileName(store, period), parts: [], cursor: null, size: 0, files: 0 };
    void run(job);
  }

  async function run(job) {
    const mine = (running = new AbortController());
    resume = () => void run(job);
    show({ isRunning: true, text: `Part ${count(job.parts.length + 1)} is on the way.` });
    try {
      do await takePart(job, mine.signal);
      while (job.cursor);
      if (job.format !== "xlsx") save(new Blob(job.parts, { type: FORMATS[job.format].type }), `${job.name}.${job.format}`);
      const files = job.format === "xlsx" && job.parts.length > 1 ? `${count(job.parts.length)} files` : `${job.name}.${job.format}`;
      show({ isRunning: false, text: `Saved: ${files}, ${bytes(job.size)}.` });
    } catch (error) {
      if (running !== mine) return;
      const why = isAbort(error) ? "Stopped." : (error.message ?? "The export failed.");
      show({ isRunning: false, canGoOn: error.kind !== "wrong" && error.kind !== "denied", text: `${why} ${count(job.parts.length)} parts are here.` });
    }
  }

  async function takePart(job, signal) {
    const onWait = (seconds) => (state.textContent = `The server is busy. Going on in ${seconds} s.`);
    const answer = await job.api.ask("export", { ...job.query, cursor: job.cursor }, { signal, onWait });
    const part = await answer.blob();
    job.parts.push(part);
    job.size += part.size;
    job.cursor = answer.headers.get("x-next-cursor");
    // A workbook cannot be appended to another one.
    if (job.format === "xlsx") save(part, job.cursor || job.parts.length > 1 ? `${job.name}-${job.parts.length}.xlsx` : `${job.name}.xlsx`);
    if (job.cursor) show({ isRunning: true, text: `${count(job.parts.length)} parts, ${bytes(job.size)}; the next one is on the way.` });
  }

  show({ isRunning: false });
  return {
    /** Ends an export whose store or key is not looked at any more. */
    stop() {
      const was = running;
      running = null;
      was?.abort();
      resume = () => {};
      show({ isRunning: false, text: "" });
    },
  };
}

function fileName(store, { first, last }) {
  const shop = store.toLowerCase().replace(/^https?:\/\//, "").replace(/\.myshopify\.com.*$/, "").replace(/[^a-z0-9-]+/g, "-");
  return `cart-events-${shop}-${first === last ? first : `${first}-to-${last}`}`;
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name });
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
