"""Where the tokens that a server names stand in the text that it was sent.

Servers give each token as a decoded string. Their own offsets are sums of the strings' lengths, and so are wrong behind
a token that is a part of a character (shown as U+FFFD, or as nothing) and behind a space that decoding has lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

UNREADABLE = "\ufffd"
_FOLLOWING = 40  # characters behind unreadable tokens that have to fit: enough that they fit in one place only


def place(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Where each token stands in a text, in characters, until the text is used up: [(begin, end)].

    Tokens behind that, which the server has written itself, are left out. A token that the server put before the text
    has the place (0, 0). Tokens that make up one character, or unreadable ones side by side, all have the place of what
    they make. Raises ValueError, in one line, for tokens that are not those of the text.
    """
    spans: list[tuple[int, int]] = []
    at = silent = 0  # how far the text is used up; how many tokens since then that show nothing
    while at < len(text):
        here = len(spans) + silent
        if here == len(tokens):
            raise ValueError(f"its tokens end after {at} of {len(text)} characters")
        token = tokens[here]
        begin = at if text.startswith(token, at) else _spaces(text, at)
        if token == "":
            silent += 1
        elif UNREADABLE in token:
            n, end = _unreadable(text, at, tokens[here:])
            spans += [(at, end)] * (silent + n)
            at, silent = end, 0
        elif text.startswith(token, begin):
            end = begin + len(token)
            # A space that decoding has lost is a silent token's, where there is one.
            spans += [(at, begin if begin > at else end)] * silent
            spans.append((begin if silent else at, end))
            at, silent = end, 0
        elif at == 0 and here == 0:
            spans.append((0, 0))
        else:
            raise ValueError(f"its token {here + 1} is not what stands at character {at + 1}")
    return spans


def _spaces(text: str, at: int) -> int:
    while text.startswith(" ", at):
        at += 1
    return at


def _unreadable(text: str, at: int, tokens: Sequence[str]) -> tuple[int, int]:
    """How many of these tokens are unreadable or show nothing, and where what they make ends."""
    n = next((i for i, token in enumerate(tokens) if token and UNREADABLE not in token), len(tokens))
    run = "".join(tokens[:n])
    form = re.compile("".join(r"[^\x00-\x7f]+" if part[0] == UNREADABLE else re.escape(part) for part in _parts(run)))
    stop = next((i for i in range(n, len(tokens)) if not tokens[i] or UNREADABLE in tokens[i]), len(tokens))
    following = "".join(tokens[n:stop])[:_FOLLOWING]
    nearest = at + 1 if following else len(text)
    for end in range(nearest, min(len(text), at + len(run)) + 1):
        if form.fullmatch(text, at, end) and any(
            text.startswith(following[: len(text) - begin], begin) for begin in {end, _spaces(text, end)}
        ):
            return n, end
    raise ValueError(f"its unreadable tokens are not what stands at character {at + 1}")


def _parts(run: str) -> list[str]:
    return re.findall(f"{UNREADABLE}+|[^{UNREADABLE}]+", run)
