"""Means of scores in words: of how many features, with what interval, and why the others are in none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeler.catalogue.report import ScoreMean
    from labeler.metrics import Average

KINDS = {"population": "", "top-and-random": " (of the contexts at hand)"}
"""How the two kinds of scores, which are never averaged together, are told apart."""


def in_a_line(found: ScoreMean) -> str:
    """All that there is to say of one score's mean."""
    why = why_in_none(found)
    parts = [f"{found.key}{KINDS[found.kind]}: {of_how_many(found)}", f"in no mean: {why}" if why else ""]
    return "; ".join(filter(None, (*parts, with_scarce(found))))


def mean(average: Average) -> str:
    """A mean with its interval, and how many undefined scores are in it as 0."""
    if average.mean is None:
        return "–"
    text = f"{average.mean:+.3f}"
    if average.low is not None:
        text += f" [{average.low:+.3f} {average.high:+.3f}]"
    return text + (f", {average.n_undefined:,} undefined as 0" if average.n_undefined else "")


def of_how_many(found: ScoreMean) -> str:
    """A mean, and of how many of the features that have the score; where it has no interval, why."""
    if not found.score.n:
        return f"no mean of {found.n:,} {_features(found.n)}"
    some = f"{found.n:,}" if found.score.n == found.n else f"{found.score.n:,} of {found.n:,}"
    return f"mean {mean(found.score)} over {some} {_features(found.n)}{f' ({why})' if (why := missing(found.score)) else ''}"


def missing(average: Average) -> str:
    """Why a mean has no interval; nothing where it has one, or is none."""
    from labeler.metrics import LEAST

    if average.mean is None or average.low is not None:
        return ""
    return f"no interval: fewer than {LEAST} features"


def why_in_none(found: ScoreMean) -> str:
    """The features that are in no mean, by reason; nothing where all are in one."""
    return ", ".join(f"{n:,} {why}" for why, n in found.left_out.items())


def with_scarce(found: ScoreMean) -> str:
    """The mean of everything that has a number, where some of it is in no mean for resting on too little."""
    every = found.with_scarce
    return f"over all {every.n:,} that have a number: mean {mean(every)}" if every is not None and every.n else ""


def _features(n: int) -> str:
    return "feature" if n == 1 else "features"
