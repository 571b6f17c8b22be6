"""Long windows cut into contexts, so that what led to the strongest token is in view."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from labeler.evidence.formats.base import ForeignWindow


def cut(window: ForeignWindow, length: int = 32) -> list[ForeignWindow]:
    """The window in consecutive pieces of at most ``length`` tokens, which joined give it back; whole where it is no longer.

    The strongest token (the first of equals) stands three quarters into a piece of full length, as far as the window's
    ends allow; what is before and behind that piece is cut evenly. Pieces keep the window's document and stratum.
    """
    n = len(window.tokens)
    if n <= length:
        return [window]
    peak = int(window.activations.argmax())
    start = min(max(peak - 3 * length // 4, 0), n - length)
    ends = [*_even(0, start, length), *_even(start, start + length, length), *_even(start + length, n, length), n]
    return [replace(window, tokens=window.tokens[a:b], activations=window.activations[a:b]) for a, b in pairwise(ends)]


def _even(start: int, stop: int, length: int) -> list[int]:
    """Where the fewest pieces of at most ``length`` begin that fill a stretch and differ by one token at most."""
    count = -(-(stop - start) // length)
    return [start + i * (stop - start) // count for i in range(count)]
