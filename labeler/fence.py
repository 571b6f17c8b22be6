"""Text of others inside a prompt: fenced off, so that it stays data whatever it says, and with its white space visible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

OPEN, CLOSE = "⟦", "⟧"
"""What marks the firing tokens in a context; corpus text loses these two characters."""

LINE_END, RETURN, TAB, SPACE, BLANK = "↵", "␍", "⇥", "·", "␣"
"""What white space is shown as, where a feature may fire on it: a line's end, a carriage return, a tab, each space of
several, and whatever else cannot be seen. One space is a space, as it is between words."""
SIGNS = LINE_END + RETURN + TAB + SPACE + BLANK

_TAG = re.compile(r"<(?=[\s/]*(?:evidence|contexts?|explanation)\b)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FORMATS = "\x00-\x1f\x7f\xad\u180e\u200b\u200e\u200f\u2060\u2800\u3164\ufeff"
# Joiners belong to what they stand between: letters of a word that are not Latin, parts of an emoji.
_JOINED = rf"[^\s!-~{_FORMATS}\u200c\u200d]"
_UNSEEN = re.compile(rf"  +|[^\S ]|[{_FORMATS}]|(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})")
_SIGN_OF = {
    "\n": LINE_END,
    "\x85": LINE_END,
    "\u2028": LINE_END,
    "\u2029": LINE_END,
    "\r": RETURN,
    "\t": TAB,
    " ": SPACE,
}


def plain(text: str) -> str:
    """Text that cannot close its fence, open another, or pass for a mark; character for character as long as before."""
    return _CONTROL.sub(" ", _harmless(text))


def one_line(text: str) -> str:
    """``plain`` text on one line with signs for its white space; character for character as long as before.

    All contexts are shown so. Shown as a whole: a run of spaces may be several tokens.
    """
    return _UNSEEN.sub(lambda unseen: _SIGN_OF.get(unseen[0][0], BLANK) * len(unseen[0]), _harmless(text))


def marked(tokens: Sequence[str], strengths: Sequence[int]) -> str:
    """A context on one line with its firing tokens between marks: neighbours that fire share one pair of marks.

    The text is fenced as a whole, for a tag can be made of several tokens; the marks are set by offset.
    """
    text = one_line("".join(tokens))
    ends = accumulate(map(len, tokens))
    parts: list[str] = []
    inside = False
    for token, strength, end in zip(tokens, strengths, ends, strict=True):
        if (strength > 0) != inside:
            parts.append(OPEN if strength > 0 else CLOSE)
            inside = strength > 0
        parts.append(text[end - len(token) : end])
    if inside:
        parts.append(CLOSE)
    return "".join(parts)


def _harmless(text: str) -> str:
    return _TAG.sub("‹", text.replace(OPEN, "[").replace(CLOSE, "]"))
