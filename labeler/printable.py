"""Text of others as people may be shown it, on a terminal or in a file that they open."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text on one line: no control characters, no change of direction, line ends as a sign."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\n", "⏎").replace("\t", " "))
