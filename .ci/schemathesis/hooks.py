"""What the OpenAPI document cannot say, for Schemathesis to know: values of formats, rules between fields, signatures."""

import base64
import hashlib
import hmac
import json
import os
import zlib
from datetime import datetime, timezone

import schemathesis
from hypothesis import provisional
from hypothesis import strategies as st
from requests.auth import AuthBase

SEEDED = json.loads(os.environ["SCHEMATHESIS_SEEDED"])

# --- Formats ---------------------------------------------------------------------------------------------------------

# The API takes no day before 1971, and no time after the last but one day of 9999.
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(9999, 12, 29), timezones=st.just(timezone.utc))

schemathesis.openapi.format("uri", provisional.urls())
schemathesis.openapi.format("date-time", TIMES.map(lambda time: time.isoformat(timespec="milliseconds")))
schemathesis.openapi.format("date", TIMES.map(lambda time: time.date().isoformat()))
schemathesis.openapi.format("timezone", st.sampled_from(["UTC", "Europe/Berlin", "America/Havana", "Asia/Kolkata"]))


@schemathesis.serializer("text/plain")
def serialize_text(ctx, value):
    """JSON under another name, which spares browsers a preflight; a text is itself."""
    return (value if isinstance(value, str) else json.dumps(value)).encode()


# --- Credentials -----------------------------------------------------------------------------------------------------


class ApiKey(AuthBase):
    """The key that may do everything."""

    def __call__(self, request):
        request.headers["x-api-key"] = os.environ["DEV_API_KEY"]
        return request


class ShopifySignature(AuthBase):
    """The signature of the body, as Shopify makes it."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        digest = hmac.digest(os.environ["SHOPIFY_API_SECRET"].encode(), body, hashlib.sha256)
        request.headers["X-Shopify-Hmac-Sha256"] = base64.b64encode(digest).decode()
        return request


schemathesis.auth.set_from_requests(ShopifySignature()).apply_to(path="/webhooks/shopify")
schemathesis.auth.set_from_requests(ApiKey()).skip_for(path="/webhooks/shopify")

# --- Rules between fields --------------------------------------------------------------------------------------------


def whole_numbers(value):
    """A whole number is written without a point, as JavaScript does; what JSON Schema calls whole is 1.0 as well."""
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_blank(value):
    return value is None or isinstance(value, str) and not value.strip()


def fit_range(path, query):
    """The end of a range lies not before its start, and as near to it as its route takes it."""
    for name in ("start", "end"):
        # Two spellings say the same.
        if f"{name}_date" in query and not is_blank(query.get(f"{name}Date")):
            query[f"{name}_date"] = query[f"{name}Date"]
    starts = [name for name in ("startDate", "start_date") if not is_blank(query.get(name))]
    ends = [name for name in ("endDate", "end_date") if not is_blank(query.get(name))]
    if starts and ends:
        start, end = sorted([query[starts[0]], query[ends[0]]])
        end = start if query.get("interval") == "hour" else min(end, start[:4] + "-12-31")
        query.update({**dict.fromkeys(starts, start), **dict.fromkeys(ends, max(start, end))})
    elif starts and path.endswith(("/analytics", "/refusals")):
        # Else the end is today.
        query["endDate"] = query[starts[0]]


# To read all stores at once is to read eight partitions a day, most of them empty, which takes a debug build most of the
# time that a request has; a year of them is more than it does in that time.
NARROWING = ("storeName", "customerId", "customerEmail", "productId", "sessionId", "user")


def narrow(query):
    """Asks of one store what would be asked of all."""
    if all(is_blank(query.get(name)) for name in NARROWING):
        query["storeName"] = "schemathesis"


def fit_path(parameters):
    """Half of what is asked for is there."""
    for name, value in parameters.items():
        if name in SEEDED and zlib.crc32(str(value).encode()) % 2:
            parameters[name] = SEEDED[name]


def fit_journey(query):
    """It is that of one session or customer."""
    persons = [name for name in ("sessionId", "customerId", "customerEmail") if not is_blank(query.get(name))]
    for name in persons[1:]:
        del query[name]
    if not persons:
        query["customerId"] = "7"


def fit_session(body):
    """A message names its session; an envelope and its state name the same."""
    state = body.get("state")
    inner = state.get("session") if isinstance(state, dict) else None
    if is_blank(body.get("session")) and is_blank(inner):
        body["session"] = SEEDED["session"]
    elif not is_blank(inner):
        body["session"] = inner


def fit_erasure(body):
    """Somebody is named, in a store where nothing else is stored: what was erased is not stored again."""
    if all(is_blank(body.get(field)) for field in ("customerEmail", "customerId", "sessionId")):
        body["customerId"] = "7"
    body["storeName"] = "erased"


def fit_webhook(case):
    """The topic says what the body may hold."""
    topic = case.headers.get("X-Shopify-Topic")
    if topic != "customers/data_request":
        case.body.pop("data_request", None)
    if topic == "shop/redact":
        case.body.pop("customer", None)


def fit(case):
    """Makes what is right in its parts right as a whole."""
    fit_path(case.path_parameters)
    if case.query:
        # Nobody can make up a cursor that was signed.
        case.query.pop("cursor", None)
        fit_range(case.path, case.query)
        if case.path.endswith("/journey"):
            fit_journey(case.query)
    if isinstance(case.body, dict):
        case.body = whole_numbers(case.body)
        if case.path in ("/ingest", "/events"):
            fit_session(case.body)
        if case.path == "/webhooks/shopify":
            fit_webhook(case)
        if case.path == "/askai":
            case.body["session"] = SEEDED["session"]
        if case.path == "/askai/outcome":
            case.body.update(session=SEEDED["session"], decisionId=SEEDED["decisionId"])
        if case.method == "DELETE":
            fit_erasure(case.body)
    return case


@schemathesis.hook
def before_add_examples(context, examples):
    for example in examples:
        fit(example)


@schemathesis.hook
def map_case(context, case):
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case = fit(case)
    if case.method == "GET" and case.path.endswith(("/all", "/events", "/export")):
        narrow(case.query)
    return case


# --- Answers that no schema tells -----------------------------------------------------------------------------------

# What a request that is right by its schema is refused for all the same.
BEYOND_SCHEMAS = {
    "Must be a real session id, not a placeholder",
}


def is_refused_by_a_rule_beyond_schemas(response):
    errors = response.json().get("errors", [])
    return errors and all(error["reason"] in BEYOND_SCHEMAS for error in errors)


def is_looked_at(case, response):
    """Whether what is wrong with a request was to be looked at."""
    body = case.body if isinstance(case.body, dict) else {}
    if case.path.endswith("/batch"):
        # An event that is wrong costs itself alone: the answer says so, with a 200.
        return response.json()["data"]["rejected"] == 0
    # The header is looked at where the body names no event.
    in_header_alone = {location.name for location in case.meta.components if case.meta.is_negative_at(location)} == {"HEADER"}
    return not (in_header_alone and case.path.endswith("/track") and body.get("eventId"))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops what is no failure; ST202: a valid request was refused, ST201: a wrong one was not."""
    if failure.code == "ST202" and response.status_code == 400:
        return not is_refused_by_a_rule_beyond_schemas(response)
    if failure.code == "ST201" and response.status_code == 200:
        return is_looked_at(case, response)
    return True
