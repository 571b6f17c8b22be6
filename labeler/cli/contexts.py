"""Contexts and activations in a terminal: tokens lit or marked on one line, and a histogram in a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from labeler.cli.display import coloured, out
from labeler.evidence.sampling import stratum_bounds
from labeler.explainers.llm import strengths, weighed
from labeler.features import IntArray
from labeler.fence import CLOSE, OPEN
from labeler.printable import clean

if TYPE_CHECKING:
    from labeler.features import Context


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


BEFORE, AFTER = 12, 6
"""Tokens that are shown before an active one and behind it: what a causal model has read at a token stands before it."""

CUT = "…"

STRENGTH = 8
"""Cells before a context, for how strong it is."""

LEGEND = f"{OPEN}active{CLOSE}7: how strongly, 10 being the feature's maximum"
"""What the marks say that stand for colours."""


def highlighted(context: Context, strongest: float) -> Text:
    """A context with its strength before it and its document behind it; ``strongest`` is the feature's maximum."""
    line = Text.assemble((f"{context.maximum:6.1f}  ", "dim"))
    parts = around(context.activations > 0)
    last = parts[-1].stop
    for part in parts:
        if part.start:
            line.append(f"{CUT} ", style="dim")
        line.append(_lit(context, part, strongest) if coloured(out) else _marked(context, part, strongest))
        if part.stop < len(context.tokens):
            line.append(f" {CUT}" if part.stop == last else " ", style="dim")
    return line.append(f"  {clean(context.document)} · {context.split}", style="dim")


def around(active: NDArray[np.bool_]) -> list[slice]:
    """The stretches [n] of a context's tokens that are near an active one; all of it where none is active."""
    found: list[slice] = []
    for place in np.flatnonzero(active).tolist():
        begin, end = max(0, place - BEFORE), min(len(active), place + 1 + AFTER)
        if found and begin <= found[-1].stop + 1:  # a sign in the place of one token would save nothing
            found[-1] = slice(found[-1].start, end)
        else:
            found.append(slice(begin, end))
    return found or [slice(0, len(active))]


def _lit(context: Context, part: slice, strongest: float) -> Text:
    """Active tokens on a ground that is the stronger the stronger they are."""
    line = Text()
    for token, activation in zip(context.tokens[part], context.activations[part], strict=True):
        share = min(1.0, float(activation) / strongest) if strongest else 0.0
        ground = f"rgb({255 - int(140 * share)},{245 - int(20 * share)},{int(170 * (1 - share))})"
        line.append(clean(token), style=f"black on {ground}" if share else "")
    return line


def _marked(context: Context, part: slice, strongest: float) -> Text:
    """Active tokens between marks, with how strong they are behind."""
    shown: Sequence[int] = strengths(context, strongest)[part]
    return Text(clean(weighed(context.tokens[part], shown)))
