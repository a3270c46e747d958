// The products, read once a page.

let loading;

/** All products, in the shop's order. */
export function products() {
  loading ??= fetch("/demo/assets/catalogue.json").then(async (answer) => {
    if (!answer.ok) throw new Error(`the catalogue answered ${answer.status}`);
    return (await answer.json()).products;
  });
  return loading;
}

/** The product with this handle, or undefined. */
export async function productOf(handle) {
  return (await products()).find((product) => product.handle === handle);
}

/** The types of the products, each once, in the shop's order. */
export function typesOf(all) {
  return [...new Set(all.map((product) => product.type))];
}
