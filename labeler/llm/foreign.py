"""JSON from elsewhere, which may be anything."""

from __future__ import annotations

import json

MOST_TOKENS = 2**31 - 1
"""A higher count is no count; databases take no more."""


DEEPEST = 100
"""No provider's JSON is nested so deep; what is would end whatever looks into it, or writes it again."""


def parsed(text: str | bytes) -> object:
    """The value of a JSON text; ValueError, in one line, where it is none, or nested deeper than any that says something."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: also bytes that are no text, and numbers of thousands of digits
        raise ValueError("this is not JSON") from None
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        within = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        level = [inner for inner in within if isinstance(inner, dict | list)]
        if not level:
            return value
    raise ValueError("this JSON is nested too deep")


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
