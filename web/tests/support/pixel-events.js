// @ts-check
// Standard events in the shape of Shopify's own types, with somebody's data wherever an event has room for them.
// `npx tsc -p pixel` holds them against these types, so that a test does not feed what Shopify would never send.

/** @typedef {import("@shopify/web-pixels-extension").PixelEvents} PixelEvents */

/** Everything that belongs to a person. None of it may ever be sent. */
export const PERSON = {
  email: "jane.roe@example.com",
  firstName: "Janemarie",
  lastName: "Roestein",
  phone: "+1 555 010 01 99",
  smsPhone: "+15550100188",
  address1: "17 Lilac Crossing",
  address2: "Apartment 4711",
  city: "Springhollow",
  province: "Westmarch",
  zip: "98765-4321",
  customerId: "7700000000777",
  orderId: "8800000000888",
  token: "c0ffee5ecret70ken",
  engraving: "For Janemarie with love",
  note: "Leave it with the neighbour Brannigan",
  discountCode: "BIRTHDAY-ROESTEIN",
  clientId: "c11e47-1d-0f-a-br0w5er",
  company: "Roestein Upholstery",
};

const ORIGIN = "https://my-store.example.com";
const STANDARD = /** @type {import("@shopify/web-pixels-extension").PixelEventsPageViewed["type"]} */ (
  /** @type {unknown} */ ("standard")
);

/** @param {number} amount */
const usd = (amount) => ({ amount, currencyCode: "USD" });

/** @returns {import("@shopify/web-pixels-extension").ProductVariant} */
const variant = () => ({
  id: "41234567890123",
  image: { src: "https://cdn.shopify.example.com/linen-shirt.jpg" },
  price: usd(49.9),
  product: {
    id: "8123456789012",
    title: "Blue linen shirt",
    type: "Shirts",
    untranslatedTitle: "Blue linen shirt",
    url: `/products/blue-linen-shirt?variant=41234567890123&_ss=e&email=${PERSON.email}`,
    vendor: "Loom & Co",
  },
  sku: "LINEN-BLUE-M",
  title: "M",
  untranslatedTitle: "M",
});

/** @returns {import("@shopify/web-pixels-extension").CartLine} */
const cartLine = () => ({ cost: { totalAmount: usd(99.8) }, merchandise: variant(), quantity: 2 });

/** @returns {import("@shopify/web-pixels-extension").MailingAddress} */
const mailingAddress = () => ({
  address1: PERSON.address1,
  address2: PERSON.address2,
  city: PERSON.city,
  country: "United States",
  countryCode: "US",
  firstName: PERSON.firstName,
  lastName: PERSON.lastName,
  phone: PERSON.phone,
  province: PERSON.province,
  provinceCode: "WM",
  zip: PERSON.zip,
});

/** @returns {import("@shopify/web-pixels-extension").Checkout} */
const checkout = () => ({
  attributes: [{ key: "gift note", value: PERSON.note }],
  billingAddress: mailingAddress(),
  buyerAcceptsEmailMarketing: true,
  buyerAcceptsSmsMarketing: false,
  currencyCode: "USD",
  delivery: {
    selectedDeliveryOptions: [
      {
        cost: usd(5),
        costAfterDiscounts: usd(5),
        description: `To ${PERSON.address1}`,
        handle: "standard",
        title: "Standard",
        type: "shipping",
      },
    ],
  },
  discountApplications: [
    {
      allocationMethod: "ACROSS",
      targetSelection: "ALL",
      targetType: "LINE_ITEM",
      title: PERSON.discountCode,
      type: "DISCOUNT_CODE",
      value: { percentage: 10 },
    },
  ],
  discountsAmount: usd(9.98),
  email: PERSON.email,
  lineItems: [
    {
      discountAllocations: [],
      finalLinePrice: usd(89.82),
      id: "line-1",
      properties: [{ key: "Engraving", value: PERSON.engraving }],
      quantity: 2,
      sellingPlanAllocation: null,
      title: `Blue linen shirt ${PERSON.engraving}`,
      variant: variant(),
    },
  ],
  localization: {
    country: { isoCode: "US" },
    language: { isoCode: "en" },
    market: { handle: "us", id: "gid://shopify/Market/1" },
  },
  order: { customer: { id: PERSON.customerId, isFirstOrder: true }, id: PERSON.orderId },
  phone: PERSON.phone,
  shippingAddress: mailingAddress(),
  shippingLine: { price: usd(5) },
  smsMarketingPhone: PERSON.smsPhone,
  subtotalPrice: usd(89.82),
  token: PERSON.token,
  totalPrice: usd(102.3),
  totalTax: usd(7.48),
  transactions: [
    { amount: usd(102.3), gateway: "bogus", paymentMethod: { name: `Card of ${PERSON.lastName}`, type: "creditCard" } },
  ],
});

/**
 * The page as the top frame has it; its title and query name the person, as a thank-you page's may.
 * @param {string} pathname
 * @param {string} search
 * @returns {import("@shopify/web-pixels-extension").Context}
 */
const context = (pathname, search) => {
  const location = {
    hash: `#${PERSON.token}`,
    host: "my-store.example.com",
    hostname: "my-store.example.com",
    href: `${ORIGIN}${pathname}${search}#${PERSON.token}`,
    origin: ORIGIN,
    pathname,
    port: "",
    protocol: "https:",
    search,
  };
  return {
    document: {
      characterSet: "UTF-8",
      location,
      referrer: `https://mail.example.com/inbox/${PERSON.lastName}?to=${PERSON.email}`,
      title: `Thank you, ${PERSON.firstName}!`,
    },
    navigator: { cookieEnabled: true, language: "en-US", languages: ["en-US"], userAgent: "Mozilla/5.0 (X11)" },
    window: {
      innerHeight: 800,
      innerWidth: 1200,
      location,
      origin: ORIGIN,
      outerHeight: 900,
      outerWidth: 1200,
      pageXOffset: 0,
      pageYOffset: 0,
      screen: { height: 1080, width: 1920 },
      screenX: 0,
      screenY: 0,
      scrollX: 0,
      scrollY: 0,
    },
  };
};

/** When the first of the events happened; each further one came a second later. */
export const STARTED_AT = Date.parse("2024-01-01T12:00:00.000Z");

/**
 * @param {number} index of the event
 * @param {string} pathname
 * @param {string} [search]
 */
const common = (index, pathname, search = `?email=${encodeURIComponent(PERSON.email)}`) => ({
  clientId: PERSON.clientId,
  context: context(pathname, search),
  id: `sh-88153c5a-8F2D-4CCA-3231-EF5C032A4C3${index}`,
  seq: index,
  timestamp: new Date(STARTED_AT + index * 1000).toISOString(),
  type: STANDARD,
});

const CHECKOUT = `/checkouts/cn/${PERSON.token}`;

/**
 * One of each, fresh for each call.
 * @returns {Pick<PixelEvents, "page_viewed" | "product_viewed" | "collection_viewed" | "search_submitted" | "cart_viewed"
 *   | "product_added_to_cart" | "product_removed_from_cart" | "checkout_started" | "checkout_completed">}
 */
export const standardEvents = () => ({
  page_viewed: {
    ...common(1, "/", `?utm_source=mail&utm_content=${encodeURIComponent(PERSON.email)}&phone=5550100199`),
    name: "page_viewed",
    data: {},
  },
  product_viewed: {
    ...common(2, "/products/blue-linen-shirt"),
    name: "product_viewed",
    data: { productVariant: variant() },
  },
  collection_viewed: {
    ...common(3, "/collections/summer"),
    name: "collection_viewed",
    data: { collection: { id: "gid://shopify/Collection/456", title: "Summer", productVariants: [variant()] } },
  },
  search_submitted: {
    ...common(4, "/search", `?q=${encodeURIComponent(PERSON.email)}`),
    name: "search_submitted",
    data: {
      searchResult: { productVariants: [variant()], query: `shirt for ${PERSON.email} or ${PERSON.phone} please` },
    },
  },
  cart_viewed: {
    ...common(5, "/cart"),
    name: "cart_viewed",
    data: {
      cart: {
        attributes: [{ key: "note", value: PERSON.note }],
        cost: { totalAmount: usd(99.8) },
        id: PERSON.token,
        lines: [cartLine()],
        totalQuantity: 2,
      },
    },
  },
  product_added_to_cart: {
    ...common(6, "/products/blue-linen-shirt"),
    name: "product_added_to_cart",
    data: { cartLine: cartLine() },
  },
  product_removed_from_cart: {
    ...common(7, "/cart"),
    name: "product_removed_from_cart",
    data: { cartLine: { ...cartLine(), quantity: 1 } },
  },
  checkout_started: { ...common(8, CHECKOUT), name: "checkout_started", data: { checkout: checkout() } },
  checkout_completed: {
    ...common(9, `${CHECKOUT}/thank-you`),
    name: "checkout_completed",
    data: { checkout: checkout() },
  },
});

/**
 * What Shopify gives the pixel when it starts.
 * @returns {import("@shopify/web-pixels-extension").RegisterInit}
 */
export const init = () => ({
  context: context("/", ""),
  data: {
    customer: {
      email: PERSON.email,
      firstName: PERSON.firstName,
      id: PERSON.customerId,
      lastName: PERSON.lastName,
      ordersCount: 3,
      phone: PERSON.phone,
    },
    cart: null,
    shop: {
      countryCode: "US",
      myshopifyDomain: "my-store.myshopify.com",
      name: "My store",
      paymentSettings: { currencyCode: "USD" },
      storefrontUrl: ORIGIN,
    },
    purchasingCompany: {
      company: { externalId: null, id: "1", name: PERSON.company },
      location: { externalId: null, id: "2", name: PERSON.city },
    },
  },
  customerPrivacy: {
    analyticsProcessingAllowed: true,
    marketingAllowed: false,
    preferencesProcessingAllowed: false,
    saleOfDataAllowed: false,
  },
});
