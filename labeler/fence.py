"""Text of others inside a prompt: fenced off, so that it stays data whatever it says."""

from __future__ import annotations

import re
from collections.abc import Sequence

OPEN, CLOSE = "⟦", "⟧"
"""What marks the firing tokens in a context; corpus text loses these two characters."""

_TAG = re.compile(r"<(?=\s*/?\s*(?:evidence|context)\b)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain(text: str) -> str:
    """Corpus text that cannot close its fence, open another, or pass for a mark."""
    text = text.replace(OPEN, "[").replace(CLOSE, "]").replace("\r\n", "\n")
    return _CONTROL.sub(" ", _TAG.sub("‹", text))


def marked(tokens: Sequence[str], strengths: Sequence[int]) -> str:
    """A context with its firing tokens between marks: neighbours that fire share one pair of marks."""
    parts: list[str] = []
    inside = False
    for token, strength in zip(tokens, strengths, strict=True):
        if (strength > 0) != inside:
            parts.append(OPEN if strength > 0 else CLOSE)
            inside = strength > 0
        parts.append(plain(token))
    if inside:
        parts.append(CLOSE)
    return "".join(parts)
