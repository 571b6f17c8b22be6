"""JSON from elsewhere, which may be anything."""

from __future__ import annotations

import json

MOST_TOKENS = 2**31 - 1
"""A higher count is no count; databases take no more."""


def parsed(text: str | bytes) -> object:
    """The value of a JSON text; ValueError, in one line, where it is none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: also bytes that are no text, and numbers of thousands of digits
        raise ValueError("this is not JSON") from None
    return value


def written(value: object) -> str:
    """A text as it is, and any other value as the text of its JSON."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def count(value: object) -> int | None:
    """A number of tokens, where a value is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS else None


def sound(text: str) -> str:
    """A text that every database takes: without NUL and without halves of characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
