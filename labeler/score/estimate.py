"""A score with its interval, or the state that stands in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "imprecise", "undefined", "failed", "unscored"]


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


def measured(value: float, low: float, high: float, error: float, n: int, precision: float) -> Estimate:
    """A number with its interval, widened to hold the number; imprecise where half its width exceeds ``precision``."""
    low, high = min(low, value), max(high, value)
    half = (high - low) / 2
    wide = half > precision
    return Estimate(
        value=value,
        low=low,
        high=high,
        standard_error=error,
        n_contexts=n,
        state="imprecise" if wide else "ok",
        reason=f"half of the interval's width, {half:.2f}, exceeds {precision:g}" if wide else None,
    )
