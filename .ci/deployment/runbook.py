"""docs/OPERATIONS.md, executed: its commands against the deployed stack and a local gateway, in the document's order.

Before each block of commands stands a comment that says where it is run (`run: emulator`, `run: local`) or why it is not
(`not run: REASON`); behind it may stand what its output must hold (`expect: TEXT`). Without the deployment,
`python runbook.py` looks whether the document is complete: every block says so, every link leads somewhere, and every alarm
of template.yaml has its section.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from aws import REGION, free_port
from expect import Failed, equal, eventually

DOCUMENT = "docs/OPERATIONS.md"
PLACES = ("emulator", "local")
# All commands of a place together take a minute and a half; the rest is for a busy machine.
RUN_SECONDS = 300
# The gateway makes its tables first.
START_SECONDS = 60
STOP_SECONDS = 20
# In front of each block's output.
MARK = "@@ block "
MARKER = re.compile(r"<!-- (run|not run|expect): (.+) -->")
HEADING = re.compile(r"(#+) (.+)")
ALARM_LINK = re.compile(rf"{re.escape(DOCUMENT)}#([\w-]+)")
ALARM_HEADING = "Alarm: "
STACK_NAME = "${AWS::StackName}-"
# The environments' own endpoints are looked up in a variable, which this version of the AWS CLI leaves aside for SQS.
AWS = '#!/bin/sh\nexec "{aws}" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n'
DEVELOPMENT_KEY = "runbook-development-key"
# An event that waits among the dead letters to be moved back.
DEAD_EVENT = "cart-event-dead-letter"


@dataclass
class Block:
    """Commands of the document."""

    line: int
    place: str | None = None
    code: list = field(default_factory=list)
    expected: list = field(default_factory=list)


def blocks(text):
    """All blocks of shell commands, those that are not run with no place."""
    found, marker, block = [], None, None
    for number, line in enumerate(text.splitlines(), 1):
        if block is not None:
            if line == "```":
                found.append(block)
                block, marker = None, None
            else:
                block.code.append(line)
        elif line == "```sh":
            if marker is None:
                raise Failed(f"{DOCUMENT}:{number}: nothing says whether these commands are run")
            block = Block(number, marker if marker in PLACES else None)
        elif match := MARKER.fullmatch(line):
            kind, value = match.groups()
            if kind == "expect":
                if not found:
                    raise Failed(f"{DOCUMENT}:{number}: no commands stand before it")
                found[-1].expected.append(value)
                continue
            if kind == "run" and value not in PLACES:
                raise Failed(f"{DOCUMENT}:{number}: {value!r} is none of {PLACES}")
            marker = value if kind == "run" else kind
        elif line.strip():
            marker = None
    return found


def anchors(text):
    """What a link into the document may name, as GitHub makes it of headings."""
    headings = [match.group(2) for match in map(HEADING.fullmatch, text.splitlines()) if match]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_complete(root):
    """Whether what the template and the document say of each other is there. Needs no deployment."""
    text = (root / DOCUMENT).read_text()
    found = blocks(text)
    known = anchors(text)
    broken = sorted(set(re.findall(r"\]\(#([^)]+)\)", text)) - known)
    equal("links to nowhere", broken, [])
    template = yaml_parse((root / "template.yaml").read_text())
    alarms = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] not in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
            continue
        link = ALARM_LINK.search(resource["Properties"].get("AlarmDescription", ""))
        if not link:
            raise Failed(f"the description of {name} does not name its section of {DOCUMENT}")
        alarms[name_of(resource)] = link.group(1)
    equal("sections that alarms name and that are not there", sorted(set(alarms.values()) - known), [])
    headings = [match.group(2) for match in map(HEADING.fullmatch, text.splitlines()) if match]
    sections = [heading.removeprefix(ALARM_HEADING) for heading in headings if heading.startswith(ALARM_HEADING)]
    equal("sections of alarms", sorted(sections), sorted(alarms))
    run = [block for block in found if block.place]
    return f"{len(alarms)} alarms, {len(run)} of {len(found)} blocks are run"


def name_of(alarm):
    """Without the stack's."""
    name = alarm["Properties"]["AlarmName"]
    name = name["Fn::Sub"] if isinstance(name, dict) else name
    return name.removeprefix(STACK_NAME)


def execute(root, place, environment, folder):
    """Runs a place's blocks in one shell, as somebody at a terminal would: later ones know what earlier ones set."""
    todo = [block for block in blocks((root / DOCUMENT).read_text()) if block.place == place]
    script = ["set -euo pipefail"]
    for number, block in enumerate(todo):
        # What came before may have ended without a line break.
        script += [f"printf '\\n{MARK}{number}\\n'", *block.code]
    path = folder / f"runbook-{place}.sh"
    path.write_text("\n".join(script) + "\n")
    done = subprocess.run(
        ["bash", path],
        cwd=folder,
        env={**environment, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=RUN_SECONDS,
    )
    _, *outputs = re.split(rf"^{MARK}\d+\n", done.stdout, flags=re.MULTILINE)
    if done.returncode != 0:
        block = todo[len(outputs) - 1]
        raise Failed(f"{DOCUMENT}:{block.line}: ended with {done.returncode}:\n{outputs[-1]}")
    for block, output in zip(todo, outputs):
        missing = [text for text in block.expected if text not in output]
        if missing:
            raise Failed(f"{DOCUMENT}:{block.line}: did not say {missing}:\n{output}")
    equal("blocks that were run", len(outputs), len(todo))
    return f"{len(todo)} blocks"


def on_the_deployment(stack, api, admin, aws):
    """`admin` and `aws` are programs."""
    emulator = stack.emulator
    programs = emulator.folder / "runbook-programs"
    programs.mkdir()
    wrapper = programs / "aws"
    wrapper.write_text(AWS.format(aws=aws))
    wrapper.chmod(0o755)
    lay_dead_letters(stack)
    environment = emulator.environment()
    environment |= {
        "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
        # What the document looks up where nobody says it: the emulator is at another address than AWS.
        "API": f"{emulator.url}/_aws/execute-api/{api.api_id}/%24default",
        "STACK": stack.name,
        "ADMIN": str(admin),
    }
    told = execute(stack.root, "emulator", environment, emulator.folder)
    eventually("the dead letter is written", lambda: dead_event_is_written(stack))
    return told


def lay_dead_letters(stack):
    """One that nobody can read, as a version to come may write it; and one that is to be moved back."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    record = {
        "id": DEAD_EVENT,
        "store_name": "my-store.myshopify.com",
        "action_type": "add_to_cart",
        "created_bucket": f"{at[:10]}#1",
        "created_at": at,
        "updated_at": at,
        "expires_at": int(time.time()) + 86_400,
    }
    message = {"version": 1, "events": [{"kind": "cart_event", "record": record}]}
    sqs = stack.emulator.client("sqs")
    for body in (message, {"version": 2}):
        text = json.dumps(body, separators=(",", ":"))
        sqs.send_message(QueueUrl=stack.physical("EventDeadLetterQueue"), MessageBody=text)


def dead_event_is_written(stack):
    table, key = stack.physical("CartTrackingEventsTable"), {"id": {"S": DEAD_EVENT}}
    return "Item" in stack.emulator.client("dynamodb").get_item(TableName=table, Key=key)


def on_a_local_gateway(root, programs, folder):
    """`programs` is the folder that holds shoptrail-local and shoptrail-admin."""
    port = free_port()
    place = folder / "runbook-gateway"
    place.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    url = f"http://127.0.0.1:{port}"
    with (place / "gateway.log").open("wb") as log:
        command = [programs / "shoptrail-local", "--port", str(port), "--data", "data"]
        environment = {**kept, "DEV_API_KEY": DEVELOPMENT_KEY, "HOME": str(place)}
        gateway = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    try:
        wait_for(url, gateway, place / "gateway.log")
        environment = {
            **kept,
            "GATEWAY": url,
            "DATA": str(place / "data"),
            "KEY": DEVELOPMENT_KEY,
            "ADMIN": str(programs / "shoptrail-admin"),
            "AWS_REGION": REGION,
        }
        return execute(root, "local", environment, place)
    finally:
        gateway.terminate()
        gateway.wait(STOP_SECONDS)


def wait_for(url, gateway, log):
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except OSError:
            if gateway.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the gateway does not answer\n{log.read_text(errors='replace')}") from None
            time.sleep(0.2)


if __name__ == "__main__":
    try:
        print(is_complete(Path(__file__).resolve().parents[2]))
    except Failed as error:
        sys.exit(f"error: {error}")
