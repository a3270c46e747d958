// Building the page. What comes from outside becomes text nodes and attributes, never markup.

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element with attributes and children. An attribute that is `null`, `undefined` or `false` is left out, `true` stands
 * without a value; a child that is `null`, `undefined` or `false` is left out, and what is no node becomes text.
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A button that does `act`. */
export function button(label, act, attributes = {}) {
  const made = el("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", act);
  return made;
}

/** Words that are heard, and not seen. */
export const unseen = (text) => el("span", { class: "sr-only" }, text);

/** Says `text` to those who listen to the page. */
export function announce(text) {
  byId("status").textContent = text;
}
