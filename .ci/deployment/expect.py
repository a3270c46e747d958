"""What is expected, and how it is told when it is otherwise."""

import time

# What happens after the answer, a worker's job or a switch that processes read every 5 s, has happened by then.
LATER_SECONDS = 30
# A whole document tells a person nothing.
SHOWN_CHARS = 1000


class Failed(Exception):
    """What was expected did not happen."""


def equal(what, actual, expected):
    if actual != expected:
        raise Failed(f"{what}\n    is       {shown(actual)}\n    and not  {shown(expected)}")


def contains(what, text, part):
    if part not in text:
        raise Failed(f"{what} does not contain {part!r}: {shown(text)}")


def missing(expected, actual, where="answer"):
    """What of `expected` is not in `actual`, if anything; objects may have more fields, lists must be of one length."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, value in expected.items():
            if name not in actual:
                return f"{where}.{name} is missing"
            difference = missing(value, actual[name], f"{where}.{name}")
            if difference:
                return difference
        return None
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        differences = (missing(*pair, f"{where}[{index}]") for index, pair in enumerate(zip(expected, actual)))
        return next(filter(None, differences), None)
    return None if expected == actual else f"{where} is {shown(actual)} and not {shown(expected)}"


def eventually(what, found):
    """What `found` returns as soon as it returns anything."""
    deadline = time.monotonic() + LATER_SECONDS
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {LATER_SECONDS} s")
        time.sleep(0.5)


def shown(value):
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
