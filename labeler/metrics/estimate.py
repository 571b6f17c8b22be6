"""A score with its interval, or the state that stands in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "imprecise", "undefined", "failed", "unscored"]

FEW, QUIET = 12, 5
"""Firing and silent contexts below which intervals of 95 % hold less often than 93 % of the time (``eval frames``)."""

SURE = 60
"""Firing contexts at hand below which an interval that is narrow enough is so by luck: it holds less often than that."""

TOO_FEW = "it rests on too few contexts"
ONE_HALF = "it rests on one of its two halves"
LEFT_OUT = {TOO_FEW: "too few contexts", ONE_HALF: "one half without a label"}
"""How the reasons begin of scores that are in no mean, and how a table says it that counts them."""


def left_out(reason: str | None) -> str | None:
    """Why a score with this reason is in no mean, as ``LEFT_OUT`` begins it; None where it is in one."""
    return next((why for why in LEFT_OUT if (reason or "").startswith(why)), None)


def doubt(firing: int, silent: int, drawn: bool = False) -> str | None:
    """Why a score is ``imprecise`` however narrow its interval; None where enough contexts fire and enough are silent.

    Contexts that were ``drawn`` with probabilities come of many more, the strongest with certainty: of them FEW suffice.
    """
    if firing < FEW:
        return f"{TOO_FEW}: {firing} that fire and {silent} that do not; an interval takes {FEW} and {QUIET}"
    if silent < QUIET:  # of what fires nearly everywhere there are no more: its score stays in means
        return f"{silent} contexts at hand are silent; an interval takes {QUIET}"
    if firing < SURE and not drawn:
        return f"{firing} contexts fire; among fewer than {SURE} an interval as narrow as this is luck"
    return None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One number with a 95 % interval and what it rests on; where there is no number, the state says why."""

    value: float | None = None
    """None unless the state is ``ok`` or ``imprecise``: undefined and failed are states, never numbers."""
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    n_contexts: int
    """Contexts that were predicted and compared."""
    uniform_equivalent_n: float | None = None
    """Contexts that a uniform sample of the corpus would need for the same standard error."""
    state: State
    reason: str | None = None
    """Why the state is not ``ok``."""

    def __post_init__(self) -> None:
        numbered = self.state in ("ok", "imprecise")
        if numbered != (self.value is not None):
            raise ValueError(f"a score that is {self.state} {'needs a' if numbered else 'has no'} value")
        if not numbered and any(x is not None for x in (self.low, self.high, self.standard_error)):
            raise ValueError(f"a score that is {self.state} has no interval")
        if self.state != "ok" and not self.reason:
            raise ValueError(f"a score that is {self.state} says why")
        if self.state == "ok" and (self.low is None or self.high is None):
            raise ValueError("a score that is ok has an interval")


def measured(
    value: float, low: float, high: float, error: float, n: int, precision: float, doubted: str | None = None
) -> Estimate:
    """A number with its interval, widened to hold the number; imprecise where half its width exceeds ``precision``, and
    where it is ``doubted``."""
    low, high = min(low, value), max(high, value)
    reason = why_imprecise((high - low) / 2, precision, doubted)
    return Estimate(
        value=value,
        low=low,
        high=high,
        standard_error=error,
        n_contexts=n,
        state="imprecise" if reason else "ok",
        reason=reason,
    )


def few_first(reason: str, firing: int, silent: int) -> str:
    """Why there is no number; of too few contexts that comes first, for it then says nothing of the label."""
    few = doubt(firing, silent)
    return f"{few}; {reason}" if few is not None and few.startswith(TOO_FEW) else reason


def undefined(reason: str, firing: int, n: int) -> Estimate:
    """No number, for a reason; on ``n`` contexts, ``firing`` of them firing."""
    return Estimate(n_contexts=n, state="undefined", reason=few_first(reason, firing, n - firing))


def mean_interval(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The mean of independent estimates, each (value, low, high), with the interval that theirs give.

    Its ends are as far from the mean as those of the parts together, in quadrature (square-and-add, Newcombe 1998; the
    method of variance estimates recovery, Zou & Donner 2008), so that intervals that are longer to one side stay so.
    """
    n = len(parts)
    value = sum(found for found, _, _ in parts) / n
    below = math.hypot(*(found - low for found, low, _ in parts)) / n
    above = math.hypot(*(high - found for found, _, high in parts)) / n
    return value, value - below, value + above


def why_imprecise(half: float, precision: float, doubted: str | None, hidden: str = "") -> str | None:
    """The reason that an interval of this half width is imprecise; None where it is not."""
    if doubted is not None and (doubted.startswith(TOO_FEW) or half <= precision):
        return doubted
    return f"half of the interval's width, {half:.2f}, exceeds {precision:g}{hidden}" if half > precision else None
