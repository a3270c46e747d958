const FORMAT = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });

/** An amount in cents as a shop writes it. */
export function money(cents) {
  return FORMAT.format(cents / 100);
}
