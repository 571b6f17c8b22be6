"""How strongly a feature is active, and how often: a few lines of bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.evidence.sampling import stratum_bounds
from labeler.features import IntArray

BARS = 8
"""Lines at most; what is weaker than the strongest of them stands in one."""

WIDTH = 24
"""Columns of the longest bar."""


@dataclass(frozen=True)
class Bar:
    """The active tokens in a range of activation."""

    low: float
    high: float
    tokens: int


def bars(histogram: IntArray) -> list[Bar]:
    """Active tokens by log2 stratum [n_strata] as bars, weakest first, without the empty ones at either end."""
    filled = [at for at, n in enumerate(histogram.tolist()) if at and n]
    if not filled:
        return []
    first, last = filled[0], filled[-1]
    every = [Bar(*stratum_bounds(at), int(histogram[at])) for at in range(first, last + 1)]
    weak, strong = every[:-BARS], every[-BARS:]
    if weak:
        strong[0] = Bar(weak[0].low, strong[0].high, strong[0].tokens + sum(bar.tokens for bar in weak))
    return strong


def drawn(found: Sequence[Bar], what: str = "tokens") -> list[str]:
    """The bars as lines: a range of activation, how many tokens, and a bar as long as they are many."""
    most = max((bar.tokens for bar in found), default=1)
    ranges = [_range(bar) for bar in found]
    counts = [f"{bar.tokens:,}" for bar in found]
    wide, high = max(map(len, [*ranges, "activation"])), max(map(len, [*counts, what]))
    lines = [f"{'activation':>{wide}}  {what:>{high}}"]
    for bar, shown, count in zip(found, ranges, counts, strict=True):
        length = max(1, round(WIDTH * bar.tokens / most)) if bar.tokens else 0
        lines.append(f"{shown:>{wide}}  {count:>{high}}  {'█' * length}".rstrip())
    return lines


def _range(bar: Bar) -> str:
    return f"{bar.low:g} and more" if bar.high == float("inf") else f"{bar.low:.3g} to {bar.high:.3g}"
