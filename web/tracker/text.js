// Texts of the page, short and plain.

const LENGTH = 140;

/** `text` on one line, cut at 140 characters and never inside one; undefined where there is none. */
export const short = (text) => {
  const line = `${text ?? ""}`.slice(0, 4_096).trim().replace(/\s+/g, " ");
  return [...line].slice(0, LENGTH).join("") || undefined;
};
