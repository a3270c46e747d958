// The popup: a small dialog in a corner, which takes nothing away from the page.

import { on } from "./guard.js";
import { popup as words, root } from "./settings.js";

// Of the least weight that goes before a theme's rules for plain elements, so that any rule with a class goes before it; in
// the theme's own font.
const STYLE =
  "div:where(.shoptrail-popup){position:fixed;right:16px;bottom:16px;z-index:2147483647;box-sizing:border-box;width:min(360px,100vw - 32px);padding:20px;" +
  "line-height:1.5;color:#222;background:#fff;border-radius:12px;box-shadow:0 8px 32px #0004}" +
  ":where(.shoptrail-popup) p{margin:0 0 16px;color:#222;overflow-wrap:anywhere}" +
  ":where(.shoptrail-popup) :is(a,button){display:inline-block;margin:0 8px 0 0;padding:10px 16px;font:inherit;color:#222;background:#fff;" +
  "border:1px solid;border-radius:8px;text-decoration:none;cursor:pointer}" +
  ":where(.shoptrail-popup) a{color:#fff;background:#222}" +
  "@media(prefers-reduced-motion:no-preference){div:where(.shoptrail-popup){animation:shoptrail .25s}@keyframes shoptrail{from{opacity:0;transform:translateY(8px)}}}";

let box;
let dismiss;

/** Whether the popup is on the page. */
export const isOpen = () => box?.isConnected;

/** Shows `message`, with a way to the cart if there is something in it; `report` is told `clicked` or `dismissed`. */
export const show = (message, hasItems, report) => {
  if (!box) {
    dress();
  }
  const before = document.activeElement;
  dismiss = () => {
    const hadFocus = box.contains(document.activeElement);
    box.remove();
    if (hadFocus) {
      before?.focus({ preventScroll: true });
    }
    report("dismissed");
  };
  box = element("div", "", { role: "dialog", ariaLabel: words.label, tabIndex: -1 });
  box.append(element("p", "-message", { textContent: message }));
  if (hasItems) {
    const action = element("a", "-action", { href: root() + "cart", textContent: words.action });
    on(action, "click", () => report("clicked"));
    box.append(action);
  }
  const button = element("button", "-close", { type: "button", textContent: words.close });
  on(button, "click", dismiss);
  box.append(button);
  document.body.append(box);
  box.focus({ preventScroll: true });
};

// Texts never as HTML: the words come from a model, and the titles in them from anywhere.
const element = (tag, name, properties) =>
  Object.assign(document.createElement(tag), { className: "shoptrail-popup" + name }, properties);

/** Puts the style on the page; a constructed one, which a page's policy against inline styles allows. */
const dress = () => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  on(document, "keydown", (event) => event.key === "Escape" && isOpen() && dismiss());
};
