"""Holds the local gateway against its OpenAPI document: `python run.py PATH/TO/shoptrail-local [OPTION...]`.

It needs the packages schemathesis and jsonschema_rs. The gateway gets a free port and an empty folder, and is stopped at
the end; further options are those of `st run`.
"""

import base64
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import jsonschema_rs

HERE = Path(__file__).resolve().parent
# A debug build on a busy machine starts within a second or two.
START_SECONDS = 60
STOP_SECONDS = 30
# Of this run alone, on this machine alone.
SETTINGS = {
    "DEV_API_KEY": "schemathesis-development-key",
    "SHOPIFY_API_SECRET": "schemathesis-shopify-secret",
    "RATE_LIMIT_PER_MINUTE": "0",
    "RATE_LIMIT_PER_HOUR": "0",
    "KEY_RATE_LIMIT_PER_MINUTE": "0",
    "STORE_RATE_LIMIT_PER_MINUTE": "0",
    "LOG_LEVEL": "warn",
}
SESSION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def send(method, url, body, **headers):
    headers = {"Content-Type": "application/json", "x-api-key": SETTINGS["DEV_API_KEY"], **headers}
    return get(urllib.request.Request(url, json.dumps(body).encode(), headers, method=method))


def wait_for(url, gateway):
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return get(f"{url}/health")
        except OSError:
            if gateway.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("error: the gateway does not answer")
            time.sleep(0.1)


def wrong_examples(document):
    """Where examples are not what their schemas say."""
    wrong = []

    def check(where, holder):
        schema = {**holder.get("schema", {}), "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        examples = [example for name, example in holder.items() if name == "example"]
        for example in holder.get("examples", {}).values():
            example = document["components"]["examples"][example["$ref"].rsplit("/", 1)[1]] if "$ref" in example else example
            examples.append(example["value"])
        for example in examples:
            for error in validator.iter_errors(example):
                wrong.append(f"{where}: {error.message}")

    def check_contents(where, holder):
        for media_type, content in holder.get("content", {}).items():
            check(f"{where} {media_type}", content)

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method.upper()} {path}"
            for parameter in operation.get("parameters", []):
                check(f"{where} {parameter['name']}", parameter)
            check_contents(where, operation.get("requestBody", {}))
            for status, response in operation["responses"].items():
                check_contents(f"{where} {status}", response)
    return wrong


def seed(url):
    """Something to find, so that not every request ends at 404. The names are those of the document."""
    events = {"/cart": [{"type": "view", "ts": 1712345690000}]}
    send("POST", f"{url}/ingest", {"session": SESSION, "itemsInCart": 2, "events": events})
    decision = send("POST", f"{url}/askai", {"session": SESSION})
    event = {"storeName": "schemathesis", "productId": "1", "customerId": "7"}
    send("POST", f"{url}/api/cart-tracking/track", event)
    erasure = send("DELETE", f"{url}/api/privacy/customers", {"storeName": "erased", "customerId": "8"})
    webhook = {"shop_domain": "schemathesis", "customer": {"id": 7}}
    signature = hmac.digest(SETTINGS["SHOPIFY_API_SECRET"].encode(), json.dumps(webhook).encode(), "sha256")
    topic = {"X-Shopify-Topic": "customers/data_request", "X-Shopify-Hmac-Sha256": base64.b64encode(signature).decode()}
    request = send("POST", f"{url}/webhooks/shopify", webhook, **topic)
    return {
        "session": SESSION,
        "decisionId": decision["decisionId"],
        "receiptId": erasure["data"]["receiptId"],
        "requestId": request["data"]["jobId"],
    }


def main():
    binary, *options = sys.argv[1:]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, **SETTINGS, "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        # In that folder, so that no .env of this one is read.
        command = [Path(binary).resolve(), "--port", str(port), "--data", "data"]
        gateway = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait_for(url, gateway)
            wrong = wrong_examples(get(f"{url}/openapi.json"))
            environment["SCHEMATHESIS_SEEDED"] = json.dumps(seed(url))
            environment["SCHEMATHESIS_HOOKS"] = str(HERE / "hooks.py")
            st = [Path(sys.executable).with_name("st"), "--config-file", HERE / "schemathesis.toml"]
            run = subprocess.run([*st, "run", f"{url}/openapi.json", *options], cwd=folder, env=environment)
        finally:
            gateway.terminate()
            try:
                gateway.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                gateway.kill()
    for line in wrong:
        print(f"error: an example breaks its schema: {line}", file=sys.stderr)
    sys.exit(run.returncode or bool(wrong))


main()
