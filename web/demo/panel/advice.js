// Ask AI: what it would say now, and what it did say.

import { h } from "../lib/dom.js";
import { nothingYet } from "./states.js";

const DECISIONS_SHOWN = 6;
const OUTCOMES = ["shown", "dismissed", "clicked", "converted"];
const SOURCES = { model: "a model", cache: "a model, asked before", rules: "rules", policy: "policy" };

function chip(label, value) {
  return h("span", { class: "chip" }, h("span", { class: "chip-label", text: label }), " ", value);
}

function sureness(confidence) {
  return `${Math.round(confidence * 100)} %`;
}

function preview(advice) {
  if (!advice) return nothingYet("Nothing is stored of this visit yet, so there is nothing to think about.");
  return h("div", { class: advice.show_popup ? "preview is-speaking" : "preview is-silent" },
    advice.show_popup
      ? h("p", { class: "bubble", text: advice.message })
      : h("p", { class: "bubble is-silent", text: "It would say nothing." }),
    h("p", { class: "why", text: advice.reason }),
    h("p", { class: "chips" },
      chip("trigger", advice.trigger),
      chip("sure", sureness(advice.confidence)),
      advice.source && chip("by", SOURCES[advice.source] ?? advice.source),
      advice.show_popup && chip("after", `${advice.delay_ms / 1000} s`),
    ),
  );
}

function outcomesOf(decision) {
  const outcomes = decision.outcomes ?? {};
  return [...new Set([...OUTCOMES, ...Object.keys(outcomes)])].filter((outcome) => outcomes[outcome]);
}

function decisionRow(decision) {
  const outcomes = outcomesOf(decision);
  const createdAt = new Date(decision.createdAt);
  return h("li", { class: decision.show_popup ? "decision is-speaking" : "decision" },
    h("p", { class: "decision-words", text: decision.show_popup ? decision.message : "Said nothing" }),
    !Number.isNaN(createdAt.getTime()) && h("time", { datetime: createdAt.toISOString() }),
    h("p", { class: "decision-why", text: decision.reason }),
    h("p", { class: "chips" },
      chip("trigger", decision.trigger),
      chip("by", SOURCES[decision.source] ?? decision.source),
      outcomes.map((outcome) => h("span", { class: `chip is-${OUTCOMES.includes(outcome) ? outcome : "other"}`, text: outcome })),
    ),
  );
}

/** The two halves of the section on Ask AI. */
export function askAi(advice, decisions) {
  return h("section", { class: "section ask-ai" },
    h("h3", { text: "Ask AI would say now" }),
    preview(advice),
    h("h3", {}, "Ask AI said", decisions.length > 0 && h("span", { class: "count", text: decisions.length })),
    decisions.length
      ? h("ul", { class: "decisions", role: "list" }, decisions.slice(0, DECISIONS_SHOWN).map(decisionRow))
      : nothingYet("It was not asked yet. The tracker asks when you hesitate: before you leave, or with a cart that waits."),
  );
}
