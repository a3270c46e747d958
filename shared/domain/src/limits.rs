//! Every bound of the wire and of the store, with its reason.

/// Body of `/track` and of every route without a cap of its own: one event with four long URLs fits thrice.
pub const BODY_BYTES: usize = 64 * 1024;
/// Body of `/ingest`: four times what a browser's `keepalive` request may carry.
pub const INGEST_BODY_BYTES: usize = 256 * 1024;
/// Body of `/askai` and of `/askai/outcome`: a few ids, in JSON or plain.
pub const ASK_AI_BODY_BYTES: usize = 4 * 1024;
/// Body of `/batch`: 100 events of some 2.5 KB, which is several times what one says.
pub const BATCH_BODY_BYTES: usize = 256 * 1024;
/// Events of one batch: four requests of DynamoDB's `BatchWriteItem`, or two of its transactions, which run side by
/// side.
pub const BATCH_EVENTS: usize = 100;
/// Levels of nesting in a body, the outermost object being the first: deeper than any honest event,
/// shallow enough that no parser's stack is at risk.
pub const JSON_DEPTH: usize = 16;

/// A DNS name is at most 253 characters; the plan's column holds 255.
pub const STORE_NAME_CHARS: usize = 255;
/// The plan's column for an action.
pub const ACTION_TYPE_CHARS: usize = 100;
/// The plan's column for an identifier of Shopify or of a session.
pub const IDENTIFIER_CHARS: usize = 255;
/// The plan's column for a title.
pub const PRODUCT_TITLE_CHARS: usize = 500;
/// The plan's column for a first or last name.
pub const NAME_CHARS: usize = 255;
/// RFC 5321's path limit of 256 octets, less the angle brackets.
pub const EMAIL_CHARS: usize = 254;
/// RFC 5321, 4.5.3.1.1.
pub const EMAIL_LOCAL_CHARS: usize = 64;
/// Signed image URLs of object stores reach some 2,000 characters; twice that is room enough.
pub const URL_CHARS: usize = 4_096;
/// Longer user agents are made up.
pub const USER_AGENT_CHARS: usize = 1_024;
/// An idempotency key: from a short random string to a UUID with room for a prefix.
pub const EVENT_ID_CHARS: std::ops::RangeInclusive<usize> = 8..=64;

/// A session id: a UUID with room for a prefix.
pub const SESSION_ID_CHARS: usize = 128;
/// Pages of one session: more than a person opens, and a bound on the record.
pub const PAGES_PER_SESSION: usize = 500;
/// Events whose content is kept: the newest ones.
pub const EVENTS_PER_SESSION: usize = 10_000;
/// Bytes of event content that a session's record shows: a Lambda's answer is at most 6 MB.
pub const EVENT_BYTES_PER_SESSION: u64 = 5_000_000;
/// Page names and strings inside events.
pub const EVENT_STRING_CHARS: usize = 1_024;
/// One event as JSON, after its strings were cut: a page view takes 200 bytes, so this is room for
/// a product with all its variants, and 24 of them still fit one item of the database.
pub const EVENT_BYTES: usize = 16 * 1024;
/// Event types that a session's totals name; events of further types are counted in the sum alone.
pub const EVENT_TYPES_PER_SESSION: usize = 100;
/// Products whose views a session names: a long visit looks at some dozens, and with the longest of ids these take a
/// quarter of an item of the database.
pub const PRODUCTS_PER_SESSION: usize = 100;
/// Events that one answer names as dropped; beyond them it says how many there were.
pub const DROPPED_NAMED: usize = 100;
/// The largest whole number that JavaScript holds exactly; carts and times are capped there.
pub const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Items of one journey: more than a person reads, and what the longest visits leave.
pub const JOURNEY_ITEMS: usize = 2_000;
/// Bytes of what the items of a journey say, as JSON: an answer of a Lambda is at most 6 MB, in which quotes and
/// backslashes count twice.
pub const JOURNEY_BYTES: usize = 2_500_000;
/// Sessions of one customer whose journey is shown, the newest ones: a customer who comes every week comes that often in
/// the 90 days for which sessions are kept, and each costs some requests.
pub const JOURNEY_SESSIONS: usize = 20;

/// Records of one page: one `BatchGetItem` fetches them.
pub const PAGE_RECORDS: usize = 100;
/// Events that numbered pages sort and count: what a Lambda of 256 MB holds, and reads in time.
pub const EVENTS_COLLECTED: usize = 100_000;
/// Sessions, image generations and cart events of one store that analytics hold at the same time, together: 198,000 take a
/// Lambda 217 MB and 300,000 take it 268 MB (`bench analytics`), of the 256 MB that it has.
pub const FACTS_HELD: usize = 200_000;
