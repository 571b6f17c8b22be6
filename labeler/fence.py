"""Text of others inside a prompt: fenced off, so that it stays data whatever it says."""

from __future__ import annotations

import re
from collections.abc import Sequence

OPEN, CLOSE = "⟦", "⟧"
"""What marks the firing tokens in a context; corpus text loses these two characters."""

LINE_END = "↵"
"""What a line's end is shown as, where every context has one line: a feature may fire on it."""

_TAG = re.compile(r"<(?=[\s/]*(?:evidence|contexts?|explanation)\b)", re.IGNORECASE)
_LINE_END = re.compile("[\n\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain(text: str) -> str:
    """Text that cannot close its fence, open another, or pass for a mark; character for character as long as before."""
    text = text.replace(OPEN, "[").replace(CLOSE, "]")
    return _CONTROL.sub(" ", _TAG.sub("‹", text))


def one_line(text: str) -> str:
    """``plain`` text on one line, so that it cannot pass for another; character for character as long as before."""
    return _LINE_END.sub(LINE_END, plain(text))


def marked(tokens: Sequence[str], strengths: Sequence[int]) -> str:
    """A context with its firing tokens between marks: neighbours that fire share one pair of marks.

    The text is fenced as a whole, for a tag can be made of several tokens; the marks are set by offset.
    """
    text = plain("".join(tokens))
    parts: list[str] = []
    inside = False
    start = 0
    for token, strength in zip(tokens, strengths, strict=True):
        if (strength > 0) != inside:
            parts.append(OPEN if strength > 0 else CLOSE)
            inside = strength > 0
        parts.append(text[start : start + len(token)])
        start += len(token)
    if inside:
        parts.append(CLOSE)
    return "".join(parts)
