// The form for the key and the store, in front of everything else.

import { byId } from "./dom.js";

/** What a header can hold. A key is never anything else. */
const KEY = /^[\x21-\x7e]+$/;

/** The form; `onOpen` is called with the key and the store. */
export function createGate(onOpen) {
  const gate = byId("gate");
  const [key, store, message] = ["gate-key", "gate-store", "gate-message"].map(byId);

  function tell(text) {
    message.textContent = text;
    message.hidden = text === "";
  }

  byId("gate-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = { key: key.value.trim(), store: store.value.trim() };
    if (!KEY.test(given.key)) {
      tell("That is no key: a key has letters, digits and signs, without spaces between them.");
      return key.focus();
    }
    if (given.store === "") {
      tell("Name the store.");
      return store.focus();
    }
    tell("");
    // It does not stay in the page.
    key.value = "";
    onOpen(given);
  });

  return {
    /** Asks for a key and a store, and says why; `known` is a key that is good for other stores. */
    show(storeName, text = "", known = "") {
      gate.hidden = false;
      store.value = storeName;
      key.value = known;
      tell(text);
      (known === "" ? key : store).focus();
    },
    hide() {
      gate.hidden = true;
      key.value = "";
    },
  };
}
