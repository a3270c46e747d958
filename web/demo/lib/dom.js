// Elements from code. Text goes in as text nodes only, so that a hostile product title stays a title.

/**
 * An element with properties, attributes and children.
 * `class`, `text` and `on` are short for className, textContent and a map of listeners;
 * a value of `false`, `null` or `undefined` leaves an attribute or child out.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== false && child !== null && child !== undefined));
  return element;
}

/** A product's picture. Its size is given, so that nothing moves when it arrives. */
export function picture(handle, alt, attributes = {}) {
  return h("img", {
    src: `/demo/assets/products/${handle}.svg`,
    alt,
    width: 600,
    height: 750,
    decoding: "async",
    ...attributes,
  });
}
