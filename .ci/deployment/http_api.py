"""Requests to the deployed HTTP API, and what is expected of the answers."""

import base64
import hmac
import http.client
import json
import time
import urllib.parse

from expect import Failed, missing, shown

# A cold start and a slow machine included; an erasure takes some seconds.
ANSWER_SECONDS = 60
# The emulator answers these itself, under whatever host.
EMULATORS_OWN = ("/health",)


class Answer:
    def __init__(self, request, response):
        self.request = request
        self.status = response.status
        self.headers = response.headers
        self.content = response.read()

    @property
    def text(self):
        return self.content.decode()

    @property
    def json(self):
        try:
            return json.loads(self.content)
        except ValueError:
            raise Failed(f"{self} is no JSON") from None

    def __str__(self):
        return f"{self.request}: {self.status} {shown(self.content.decode(errors='replace'))}"

    def is_ok(self):
        if self.status != 200:
            raise Failed(str(self))
        return self

    def is_error(self, status, error, code):
        """The one error shape."""
        self.has({"status": "error", "error": error, "code": code})
        if self.status != status or not self.json["message"] or not self.json["requestId"]:
            raise Failed(str(self))
        return self

    def has(self, expected):
        """Whether the answer's JSON has these fields, at any depth; it may have others."""
        difference = missing(expected, self.json)
        if difference:
            raise Failed(f"{difference} in {self}")
        return self


class HttpApi:
    def __init__(self, emulator, api_id):
        self.port = emulator.port
        self.api_id = api_id
        self.host = f"{api_id}.execute-api.localhost:{emulator.port}"

    def send(self, method, path, body=None, key=None, **headers):
        """A `dict` goes as JSON, bytes as they are; headers are given with `_` for `-`."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        if key:
            headers["x-api-key"] = key
        target = path
        if path.startswith(EMULATORS_OWN):
            target = f"/_aws/execute-api/{self.api_id}/%24default{path}"
        else:
            headers["host"] = self.host
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, target, body, headers)
            return Answer(f"{method} {path}", connection.getresponse())
        finally:
            connection.close()

    def get(self, path, key=None, **query):
        if query:
            path = f"{path}?{urllib.parse.urlencode(query)}"
        return self.send("GET", path, key=key)

    def post(self, path, body, key=None, **headers):
        return self.send("POST", path, body, key, **headers)


def webhook_signature(secret, body):
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def app_proxy_query(secret, **parameters):
    """As Shopify signs what it forwards."""
    parameters["timestamp"] = str(int(time.time()))
    message = "".join(sorted(f"{name}={value}" for name, value in parameters.items()))
    signature = hmac.new(secret.encode(), message.encode(), "sha256").hexdigest()
    return urllib.parse.urlencode({**parameters, "signature": signature})
