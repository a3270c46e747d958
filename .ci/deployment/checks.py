"""What a storefront, a merchant and Shopify do with the deployed API, one check after the other: later ones read what
earlier ones wrote. A check returns what it wants to have said of it, and raises `Failed`.
"""

import json
import re
import time
import uuid

from aws import pages
from expect import Failed, contains, equal, eventually
from http_api import app_proxy_query, webhook_signature

STORE = "deployed-store.myshopify.com"
OTHER_STORE = "other-store.myshopify.com"
CUSTOMER = "jane@example.com"
# Who asks what is stored of them, and is not erased.
CURIOUS = "kim@example.com"
SESSION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
EVENT_ID = "deployed-event-1"
PROXY = {"path_prefix": "/apps/shoptrail", "shop": STORE}
# A cart that was left alone for so long is worth a word, by the rules.
IDLE_MS = 10 * 60_000


class Shop:
    """What the checks have in common."""

    def __init__(self, api, admin, shopify_secret, stack):
        self.api = api
        self.admin = admin
        self.shopify_secret = shopify_secret
        self.stack = stack
        self.reader = admin.create_key("reader", STORE, "read")
        self.writer = admin.create_key("writer", STORE, "write")
        self.eraser = admin.create_key("eraser", STORE, "erase")
        self.stranger = admin.create_key("stranger", OTHER_STORE, "read,write,erase")
        self.first_event = None

    def track(self, **fields):
        event = {"storeName": "Deployed-Store", "actionType": "add_to_cart", **fields}
        return self.api.post("/api/cart-tracking/track", event, key=self.writer)

    def events(self, **query):
        answer = self.api.get("/api/cart-tracking/events", self.reader, storeName=STORE, **query)
        return answer.is_ok().json["data"]["records"]


# --- What needs no credential -----------------------------------------------------------------------------------------


def the_database_answers(shop):
    answer = shop.api.get("/health").is_ok().has({"status": "healthy", "database": "ok"})
    shop.api.get("/healthz").is_ok().has({"status": "healthy"})
    return f"version {answer.json['version']}"


def the_outputs_name_the_api(shop):
    outputs = shop.stack.outputs()
    host = f"https://{shop.api.api_id}.execute-api."
    equal("ApiUrl", outputs["ApiUrl"].startswith(host), True)
    for name, path in {"TrackUrl": "/api/cart-tracking/track", "IngestUrl": "/ingest", "AskAiUrl": "/askai"}.items():
        equal(name, outputs[name], outputs["ApiUrl"] + path)
    return f"{len(outputs)} outputs"


def the_documents_are_served(shop):
    document = shop.api.get("/openapi.json").is_ok().json
    with (shop.stack.root / "docs/openapi.json").open() as file:
        equal("the paths", sorted(document["paths"]), sorted(json.load(file)["paths"]))
    contains("/docs", shop.api.get("/docs").is_ok().text, "<html")
    return f"{len(document['paths'])} paths"


def the_tracker_is_served(shop):
    answer = shop.api.get("/tracker.js").is_ok()
    contains("its content type", answer.headers["content-type"], "javascript")
    contains("tracker.js", answer.text, "web/tracker")
    return f"{len(answer.content)} bytes"


def the_dashboard_is_served(shop):
    page = shop.api.get("/dashboard").is_ok()
    contains("its content type", page.headers["content-type"], "text/html")
    contains("the page", page.text, "<title>Shoptrail dashboard</title>")
    files = re.findall(r'(?:src|href)="(dashboard/[^"]+)"', page.text)
    sizes = {file: len(shop.api.get(f"/{file}").is_ok().content) for file in files}
    equal("files that are empty", [file for file, size in sizes.items() if size == 0], [])
    equal("whether the page has files", len(files) > 0, True)
    head = shop.api.send("HEAD", "/dashboard").is_ok()
    equal("what HEAD answers", head.content, b"")
    return f"{len(files)} files"


def what_no_route_matches_is_answered_by_default(shop):
    shop.api.get("/nowhere").is_error(404, "Not Found", "NOT_FOUND")
    answer = shop.api.get("/api/cart-tracking/track").is_error(405, "Method Not Allowed", "METHOD_NOT_ALLOWED")
    contains("Allow", answer.headers["allow"], "POST")


def a_preflight_is_answered_by_default(shop):
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
    origin = "https://deployed-store.myshopify.com"
    answer = shop.api.send("OPTIONS", "/ingest", origin=origin, **asked)
    equal("its status", answer.status, 204)
    equal("Access-Control-Allow-Origin", answer.headers["access-control-allow-origin"], origin)
    answer = shop.api.send("OPTIONS", "/ingest", origin="https://elsewhere.example.com", **asked)
    equal("what another origin is allowed", answer.headers["access-control-allow-origin"], None)


# --- Who may call -----------------------------------------------------------------------------------------------------


def a_missing_key_is_refused(shop):
    shop.api.get("/api/cart-tracking/events").is_error(401, "Unauthorized", "UNAUTHORIZED")
    shop.api.post("/api/cart-tracking/track", {"storeName": STORE}).is_error(401, "Unauthorized", "UNAUTHORIZED")


def a_wrong_key_is_refused(shop):
    wrong = shop.reader[:-1] + ("0" if shop.reader[-1] != "0" else "1")
    shop.api.get("/api/cart-tracking/events", wrong).is_error(401, "Unauthorized", "UNAUTHORIZED")


def a_key_opens_its_store_and_scope_alone(shop):
    url = "/api/cart-tracking/events"
    shop.api.get(url, shop.stranger, storeName=STORE).is_error(403, "Forbidden", "FORBIDDEN")
    shop.api.get(url, shop.writer, storeName=STORE).is_error(403, "Forbidden", "FORBIDDEN")


def an_invalid_event_is_refused_by_field(shop):
    answer = shop.api.post("/api/cart-tracking/track", {"storeName": " ", "customerEmail": "jane"}, key=shop.writer)
    answer.is_error(400, "Validation Error", "VALIDATION_ERROR")
    problem = {"field": "storeName", "reason": "Field is required"}
    answer.has({"message": "storeName is required", "details": problem})
    equal("the fields", sorted(error["field"] for error in answer.json["errors"]), ["customerEmail", "storeName"])


# --- Cart tracking ----------------------------------------------------------------------------------------------------


def an_event_is_stored(shop):
    answer = shop.track(
        productId="gid://shopify/Product/8123456789",
        productTitle="Linen shirt",
        customerEmail=CUSTOMER.upper(),
        sessionId=SESSION,
        eventId=EVENT_ID,
    ).is_ok()
    answer.has({"status": "success", "message": "Cart event tracked successfully"})
    shop.first_event = answer.json["data"]
    if not re.fullmatch(r"cart-event-\d{13}-[0-9a-z]{7}", shop.first_event["id"]):
        raise Failed(f"{answer}")
    stored = {
        "id": shop.first_event["id"],
        "createdAt": shop.first_event["createdAt"],
        "storeName": STORE,
        "productId": "8123456789",
        "productTitle": "Linen shirt",
        "customerEmail": CUSTOMER,
        "eventId": EVENT_ID,
    }
    records = shop.events()
    equal("what is listed", [{name: record[name] for name in stored} for record in records], [stored])
    return shop.first_event["id"]


def a_repeated_event_is_told_and_stored_once(shop):
    again = {"productId": "8123456789", "productTitle": "Linen shirt", "customerEmail": CUSTOMER, "sessionId": SESSION}
    shop.track(**again, eventId=EVENT_ID).is_ok().has({"data": {**shop.first_event, "duplicate": True}})
    shop.track(productId="9", eventId=EVENT_ID).is_error(409, "Conflict", "IDEMPOTENCY_CONFLICT")
    equal("how many are stored", len(shop.events()), 1)


def a_batch_is_answered_event_by_event(shop):
    events = [
        {"storeName": STORE, "actionType": "buy_now", "eventId": "deployed-batch-1", "customerId": 7001},
        {"storeName": STORE, "productId": "2"},
        {"storeName": STORE, "eventId": "deployed-batch-1", "actionType": "buy_now", "customerId": 7001},
        {"actionType": "add_to_cart"},
    ]
    answer = shop.api.post("/api/cart-tracking/batch", {"events": events}, key=shop.writer).is_ok()
    results = answer.json["data"]["results"]
    equal("results", [result["status"] for result in results], ["ok", "ok", "duplicate", "invalid"])
    equal("the id of the duplicate", results[2]["id"], results[0]["id"])
    equal("the field of the invalid one", results[3]["details"]["field"], "storeName")
    equal("how many are stored", len(shop.events()), 3)


def shopify_app_proxy_signs_for_its_store(shop):
    query = app_proxy_query(shop.shopify_secret, **PROXY, logged_in_customer_id="7002")
    event = {"actionType": "add_to_cart", "productId": "3"}
    shop.api.post(f"/cart-tracking/track?{query}", event).is_ok()
    forged = query.replace("7002", "7003")
    shop.api.post(f"/cart-tracking/track?{forged}", event).is_error(401, "Unauthorized", "UNAUTHORIZED")
    equal("whose event it is", [event["storeName"] for event in shop.events(customerId="7002")], [STORE])


def all_events_are_counted_and_paged(shop):
    answer = shop.api.get("/api/cart-tracking/all", shop.reader, storeName=STORE, limit=3).is_ok()
    answer.has(
        {
            "data": {
                "pagination": {"total": 4, "page": 1, "limit": 3, "totalPages": 2, "hasNext": True, "hasPrev": False},
                "summary": {"eventsCount": 4, "actionTypeBreakdown": {"add_to_cart": 3, "buy_now": 1}},
            }
        }
    )
    newest_first = [record["createdAt"] for record in answer.json["data"]["records"]]
    equal("the order", newest_first, sorted(newest_first, reverse=True))
    return "4 events on 2 pages"


def a_customer_is_found_by_the_path(shop):
    answer = shop.api.get(f"/api/cart-tracking/customer/7001/store/{STORE}", shop.reader).is_ok()
    answer.has({"data": {"summary": {"customerId": "7001", "storeName": STORE, "eventsCount": 1}}})


def an_image_generation_is_stored_and_joined(shop):
    image = "https://cdn.example.com/worn.png"
    generation = {"storeName": STORE, "generatedImageUrl": image, "customerEmail": CURIOUS}
    shop.api.post("/api/image-generations/track", generation, key=shop.writer).is_ok()
    shop.track(generatedImageUrl=image, customerEmail=CURIOUS, productId="4").is_ok()
    answer = shop.api.get("/api/image-generations/all", shop.reader, storeName=STORE).is_ok()
    answer.has({"data": {"summary": {"generationsCount": 1, "statusBreakdown": {"completed": 1}}}})
    (record,) = answer.json["data"]["records"]
    equal("what came of it", record["addToCartInfo"]["actionTypeCounts"], {"add_to_cart": 1})


# --- Sessions and Ask AI ----------------------------------------------------------------------------------------------


def a_session_is_merged(shop):
    then = int(time.time() * 1000) - IDLE_MS
    view = {"type": "page_view", "ts": then}
    snapshot = {
        "session": SESSION,
        "storeName": STORE,
        "itemsInCart": 7,
        "sentAt": then + 1,
        "timeOnPage": {"/products/linen-shirt": 9876},
        "events": {"/products/linen-shirt": [view]},
    }
    shop.api.post("/ingest", snapshot).is_ok().has({"ok": True, "saved": True})
    shop.api.post("/ingest", snapshot).is_ok().has({"ok": True, "saved": False})
    # As a page that is being left sends it.
    more = {**snapshot, "events": {"/cart": [{**view, "ts": then + 500}]}}
    beacon = json.dumps(more).encode()
    shop.api.post("/events", beacon, content_type="text/plain;charset=UTF-8").is_ok().has({"saved": True})
    shop.api.get(f"/sessions/{SESSION}", shop.reader).is_ok().has(
        {
            "session": SESSION,
            "itemsInCart": 7,
            "timeOnPage": {"/products/linen-shirt": 9876},
            "totals": {"events": 2, "byType": {"page_view": 2}},
        }
    )


def the_rules_give_advice(shop):
    answer = shop.api.post("/askai", SESSION.encode(), content_type="text/plain").is_ok()
    answer.has({"ok": True, "session": SESSION, "source": "rules", "show_popup": True, "trigger": "items_in_cart"})
    contains("the message", answer.json["message"], "7 items in your cart")
    equal("the decision", answer.json["decision"]["message"], answer.json["message"])
    outcome = {"session": SESSION, "decisionId": answer.json["decisionId"], "outcome": "clicked"}
    shop.api.post("/askai/outcome", outcome).is_ok().has({"ok": True})
    unknown = str(uuid.uuid4()).encode()
    shop.api.post("/askai", unknown, content_type="text/plain").is_error(404, "Not Found", "NOT_FOUND")
    return answer.json["trigger"]


# --- For the merchant -------------------------------------------------------------------------------------------------


def analytics_count_what_was_stored(shop):
    answer = shop.api.get("/api/cart-tracking/analytics", shop.reader, storeName=STORE).is_ok()
    answer.has(
        {
            "data": {
                "totals": {"events": 5, "byAction": {"add_to_cart": 4, "buy_now": 1}},
                "askAi": {"decisions": 1, "bySource": {"rules": 1}, "clicked": 1},
            }
        }
    )
    today = answer.json["data"]["series"][-1]
    equal("today's events", today["events"], 5)


def a_journey_is_put_together(shop):
    answer = shop.api.get("/api/cart-tracking/journey", shop.reader, storeName=STORE, sessionId=SESSION).is_ok()
    kinds = {item["kind"] for item in answer.json["data"]["items"]}
    equal("what is in it", sorted(kinds & {"cart", "popup", "view"}), ["cart", "popup", "view"])


def an_export_has_every_event(shop):
    answer = shop.api.get("/api/cart-tracking/export", shop.reader, storeName=STORE).is_ok()
    contains("its content type", answer.headers["content-type"], "text/csv")
    lines = answer.text.strip().splitlines()
    equal("lines", len(lines), 6)
    contains("the export", answer.text, shop.first_event["id"])
    workbook = shop.api.get("/api/cart-tracking/export", shop.reader, storeName=STORE, format="xlsx").is_ok()
    equal("how a workbook begins", workbook.content[:2], b"PK")


def what_was_not_stored_is_counted(shop):
    event = {"storeName": STORE, "actionType": "add_to_cart"}
    shop.api.post("/api/cart-tracking/track", event, key=shop.writer, sec_gpc="1").is_ok()

    def counted():
        # A process writes its counts with a later request.
        answer = shop.api.get("/api/cart-tracking/refusals", shop.reader, storeName=STORE).is_ok()
        reasons = [day["reasons"] for day in answer.json["data"]["days"]]
        return sum(day.get("no_consent", 0) for day in reasons) == 1 and reasons

    return f"{eventually('the count of what was not consented to', counted)}"


# --- Operations -------------------------------------------------------------------------------------------------------


def a_group_is_switched_off_and_on(shop):
    def status():
        return shop.api.post("/ingest", {"session": SESSION, "storeName": STORE, "events": {}})

    shop.admin.run("switches", "off", "session-ingest")
    off = eventually("503", lambda: (answer := status()).status == 503 and answer)
    off.is_error(503, "Service Unavailable", "DISABLED")
    shop.admin.run("switches", "on", "session-ingest")
    eventually("200", lambda: status().status == 200)


def functions_log_into_their_groups(shop):
    logs = shop.stack.emulator.client("logs")
    told, counted = {}, 0
    for group in shop.stack.of_type("AWS::Logs::LogGroup"):
        events = pages(logs, "filter_log_events", "events", logGroupName=shop.stack.physical(group))
        for message in (event["message"] for event in events if event["message"].startswith("{")):
            line = json.loads(message)
            equal(f"whether {message} is a line or counts something", "level" in line or "_aws" in line, True)
            for personal in (CUSTOMER, shop.reader, "127.0.0.1"):
                equal(f"whether {message} holds {personal}", personal in message, False)
            told[group] = told.get(group, 0) + 1
            counted += "_aws" in line
    # Those that were asked until now.
    for group in ("CartTrackingLogs", "SessionIngestLogs", "AskAiLogs", "PrivacyLogs", "PrivacyWorkerLogs"):
        equal(f"whether {group} has lines", group in told, True)
    equal("whether metrics are counted", counted > 0, True)
    return f"{sum(told.values())} lines, {counted} of them with metrics"


# --- Privacy ----------------------------------------------------------------------------------------------------------


def a_webhook_is_worked_on_by_the_worker(shop):
    body = json.dumps({"shop_domain": STORE, "customer": {"email": CURIOUS}, "data_request": {"id": 1}}).encode()

    def deliver(secret):
        headers = {
            "content_type": "application/json",
            "x_shopify_topic": "customers/data_request",
            "x_shopify_hmac_sha256": webhook_signature(secret, body),
        }
        return shop.api.post("/webhooks/shopify", body, **headers)

    deliver("another secret").is_error(401, "Unauthorized", "UNAUTHORIZED")
    answer = deliver(shop.shopify_secret).is_ok()
    path = f"/api/privacy/requests/{answer.json['data']['jobId']}"

    def done():
        answer = shop.api.get(path, shop.reader).is_ok()
        return answer.json["data"]["status"] == "done" and answer

    # Nobody but the table's stream starts the worker so soon: the schedule comes every five minutes.
    records = eventually("the data request is done", done).json["data"]["records"]
    kinds = sorted(record["kind"] for record in records)
    equal("what was found", kinds, ["cart_event", "image_generation"])
    return ", ".join(kinds)


def an_erased_customer_is_gone_and_stays_gone(shop):
    person = {"storeName": STORE, "customerEmail": CUSTOMER}
    url = "/api/privacy/customers"
    shop.api.send("DELETE", url, person, shop.reader).is_error(403, "Forbidden", "FORBIDDEN")
    answer = shop.api.send("DELETE", url, person, shop.eraser).is_ok()
    receipt = answer.json["data"]["receiptId"]

    def done():
        answer = shop.api.get(f"{url}/{receipt}", shop.eraser).is_ok()
        return answer.json["data"]["status"] == "done" and answer

    eventually("the erasure is done", done).has({"data": {"erased": {"cartEvents": 1, "sessions": 1, "decisions": 1}}})
    equal("the customer's events", shop.events(customerEmail=CUSTOMER), [])
    shop.api.get(f"/sessions/{SESSION}", shop.reader).is_error(404, "Not Found", "NOT_FOUND")
    shop.track(customerEmail=CUSTOMER, eventId=EVENT_ID).is_ok().has({"data": {"refused": "erased"}})
    equal("the customer's events after a late retry", shop.events(customerEmail=CUSTOMER), [])
    return receipt


# --- After the update -------------------------------------------------------------------------------------------------


def a_running_function_has_the_new_limit(shop):
    message = {"session": str(uuid.uuid4()), "storeName": OTHER_STORE, "itemsInCart": 1}
    # What the client asked for before counts too, so that already the first may be one too many.
    shop.api.post("/ingest", message)
    answer = shop.api.post("/ingest", message).is_error(429, "Too Many Requests", "RATE_LIMITED")
    equal("whether Retry-After is a number", answer.headers["retry-after"].isdecimal(), True)
    return f"again in {answer.headers['retry-after']} s"


def an_event_goes_through_the_queue(shop):
    answered = shop.track(productId="queued", eventId="deployed-queued-1").is_ok().json["data"]
    (stored,) = eventually("the event is written", lambda: shop.events(productId="queued"))
    equal("its id and time", {name: stored[name] for name in answered}, answered)
    logs, sqs = shop.stack.emulator.client("logs"), shop.stack.emulator.client("sqs")
    group = shop.stack.physical("CartWriterLogs")
    eventually("the worker has written it", lambda: pages(logs, "filter_log_events", "events", logGroupName=group))

    def is_empty(queue):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=shop.stack.physical(queue), AttributeNames=names)
        return all(found["Attributes"][name] == "0" for name in names)

    eventually("the queue is empty", lambda: is_empty("EventQueue"))
    equal("whether there are dead letters", is_empty("EventDeadLetterQueue"), True)
    return stored["id"]


# In this order.
CHECKS = [
    the_database_answers,
    the_outputs_name_the_api,
    the_documents_are_served,
    the_tracker_is_served,
    the_dashboard_is_served,
    what_no_route_matches_is_answered_by_default,
    a_preflight_is_answered_by_default,
    a_missing_key_is_refused,
    a_wrong_key_is_refused,
    a_key_opens_its_store_and_scope_alone,
    an_invalid_event_is_refused_by_field,
    an_event_is_stored,
    a_repeated_event_is_told_and_stored_once,
    a_batch_is_answered_event_by_event,
    shopify_app_proxy_signs_for_its_store,
    all_events_are_counted_and_paged,
    a_customer_is_found_by_the_path,
    an_image_generation_is_stored_and_joined,
    a_session_is_merged,
    the_rules_give_advice,
    analytics_count_what_was_stored,
    a_journey_is_put_together,
    an_export_has_every_event,
    what_was_not_stored_is_counted,
    a_group_is_switched_off_and_on,
    a_webhook_is_worked_on_by_the_worker,
    an_erased_customer_is_gone_and_stays_gone,
    functions_log_into_their_groups,
]

CHECKS_AFTER_THE_UPDATE = [
    a_running_function_has_the_new_limit,
    an_event_goes_through_the_queue,
]
