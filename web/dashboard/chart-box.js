// A chart by Chart.js, with its legend, and with a table of the same numbers for who cannot see it or wants to read them.

import { button, el } from "./dom.js";
import { count, short } from "./format.js";
import { label } from "./text.js";
import { isStill, onThemeChange, token } from "./theme.js";

/** Boxes whose charts are drawn. */
const drawn = new Set();
let boxes = 0;

onThemeChange(() => drawn.forEach((box) => box.draw()));

/**
 * A chart's box.
 *
 * `summary` says in a sentence what the chart shows; `type` is Chart.js's; `series` is a list of `{ name, color, values }`
 * with the name of a colour; `points` a list of `{ short, long }`, the words of an axis and of a tooltip; `format` writes a
 * value; `stacked` puts the series on top of each other, and their sum into the tooltip.
 */
export function createChartBox(options) {
  const { summary, series } = options;
  const canvas = el("canvas", { role: "img", "aria-label": summary });
  const plot = el("div", { class: "plot" }, canvas);
  const table = el("div", { class: "chart-table", id: `chart-table-${(boxes += 1)}`, hidden: true });
  const toggle = button("Show as a table", () => {
    const isShown = !table.hidden;
    if (!isShown && table.childElementCount === 0) table.append(tableOf(options));
    table.hidden = isShown;
    toggle.setAttribute("aria-expanded", String(!isShown));
    toggle.textContent = isShown ? "Show as a table" : "Hide the table";
  }, { class: "link", "aria-expanded": "false", "aria-controls": table.id });
  const legend = series.length > 1 && el("ul", { class: "legend" }, series.map(({ name, color }) => el("li", {}, swatch(color), el("bdi", {}, name))));
  const element = el("figure", { class: "chart" }, legend, plot, toggle, table);

  const box = {
    chart: null,
    draw() {
      box.chart?.destroy();
      box.chart = null;
      if (!element.isConnected) return void drawn.delete(box);
      if (!globalThis.Chart) {
        // The numbers are more than their picture.
        plot.hidden = true;
        if (table.hidden) toggle.click();
        return;
      }
      box.chart = new globalThis.Chart(canvas, configOf(options));
    },
  };
  // What is not on the page any more needs no drawing.
  drawn.forEach((other) => other.chart && !other.chart.canvas?.isConnected && (other.chart.destroy(), drawn.delete(other)));
  drawn.add(box);
  // The caller puts the element into the page first: a chart takes its size from there.
  queueMicrotask(box.draw);
  return element;
}

function swatch(color) {
  const made = el("span", { class: "swatch", "aria-hidden": true });
  made.style.setProperty("--swatch", `var(--${color})`);
  return made;
}

function configOf({ type, series, points, stacked = false, format = count, axis = short, most }) {
  const isLine = type === "line";
  const font = { family: token("sans"), size: 12 };
  const ink = token("quiet");
  return {
    type,
    data: {
      labels: points.map((point) => point.short),
      datasets: series.map(({ name, color, values }, index) => ({
        label: label(name),
        data: values,
        backgroundColor: isLine ? token(`${color}-wash`) || "transparent" : token(color),
        borderColor: isLine ? token(color) : token("card"),
        // A line of the card's colour keeps the parts of a stack apart, whatever their colours look like to somebody.
        borderWidth: isLine ? 2 : { top: index === series.length - 1 ? 0 : 1 },
        borderRadius: isLine ? 0 : 3,
        maxBarThickness: 44,
        categoryPercentage: 0.86,
        barPercentage: 0.9,
        pointRadius: points.length > 45 ? 0 : 2.5,
        pointHoverRadius: 5,
        pointBackgroundColor: token(color),
        tension: 0.25,
        cubicInterpolationMode: "monotone",
        fill: isLine,
      })),
    },
    options: {
      responsive: true,
      maintainAspectRatio: false,
      animation: isStill() ? false : { duration: 350 },
      interaction: { mode: "index", intersect: false },
      scales: {
        x: {
          stacked,
          grid: { display: false },
          border: { color: token("line") },
          ticks: { color: ink, font, maxRotation: 0, autoSkip: true, autoSkipPadding: 18 },
        },
        y: {
          stacked,
          beginAtZero: true,
          suggestedMax: most,
          border: { display: false },
          grid: { color: token("grid"), drawTicks: false },
          ticks: { color: ink, font, padding: 8, maxTicksLimit: 6, precision: most === undefined ? 0 : undefined, callback: (value) => axis(value) },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: token("tooltip"),
          titleColor: token("on-tooltip"),
          bodyColor: token("on-tooltip"),
          footerColor: token("on-tooltip"),
          titleFont: { ...font, weight: "600" },
          bodyFont: font,
          footerFont: { ...font, weight: "600" },
          padding: 12,
          cornerRadius: 8,
          boxPadding: 5,
          usePointStyle: true,
          filter: ({ raw }) => raw !== 0 || series.length === 1,
          callbacks: {
            title: ([item]) => (item ? points[item.dataIndex].long : ""),
            label: ({ dataset, raw }) => `${dataset.label}: ${format(raw)}`,
            footer: (items) => (stacked && items.length > 1 ? `Together: ${format(items.reduce((sum, { raw }) => sum + raw, 0))}` : ""),
          },
        },
      },
    },
  };
}

function tableOf({ summary, series, points, pointsName = "Time", format = count }) {
  return el(
    "div",
    { class: "table-room", tabindex: 0, role: "group", "aria-label": summary },
    el(
      "table",
      {},
      el("caption", { class: "sr-only" }, summary),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, pointsName), series.map(({ name }) => el("th", { scope: "col", class: "number" }, el("bdi", {}, name))))),
      el(
        "tbody",
        {},
        points.map((point, index) =>
          el("tr", {}, el("th", { scope: "row" }, point.long), series.map(({ values }) => el("td", { class: "number" }, format(values[index]))))),
      ),
    ),
  );
}
