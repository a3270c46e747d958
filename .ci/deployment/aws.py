"""The emulated AWS: the process, the settings by which programs find it, and its clients."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3

HERE = Path(__file__).resolve().parent
REGION = "us-east-1"
# The emulator's word for the account's root user; everybody else has what the policies allow.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
# It starts within two seconds; the rest is for a busy machine.
START_SECONDS = 60
# It stops its functions first.
STOP_SECONDS = 20
# What of a log is worth reading when something failed.
LOG_LINES = 60


class Emulator:
    """Runs from `with` to its end, with its files in `folder`."""

    def __init__(self, python, folder):
        self.python = python
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "emulator.log"

    def __enter__(self):
        environment = {
            # Functions are its children and have its environment: nothing of this machine's.
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            # Policies count: a function that lacks a permission for what it does is refused.
            "AUTH": "true",
            # By this the functions find it, in place of AWS.
            "AWS_ENDPOINT_URL": self.url,
            **KEYS,
        }
        command = [self.python, HERE / "emulator.py"]
        with self.log.open("wb") as log:
            # A group of its own, so that the functions are stopped with it.
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure):
        self.stop()

    def wait(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=10):
                    return
            except OSError:
                if not self.is_running() or time.monotonic() > deadline:
                    raise SystemExit(f"error: the emulator does not answer\n{self.tail()}") from None
                time.sleep(0.1)

    def stop(self):
        for end in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, end)
                self.process.wait(STOP_SECONDS)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def is_running(self):
        return self.process.poll() is None

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])

    def environment(self):
        """For a program that is to take it for AWS, and to find no other account by chance."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            **KEYS,
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service, keys=KEYS):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pages(client, operation, result, **arguments):
    """All of a list, however many pages it has."""
    paginator = client.get_paginator(operation)
    return [item for page in paginator.paginate(**arguments) for item in page[result]]
