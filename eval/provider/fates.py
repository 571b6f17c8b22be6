"""What happens to a request: drawn by what it asks and how often it was sent, whatever the order of arrival."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from eval.provider.knobs import FAULTS, SPOILT, Knobs


@dataclass(frozen=True)
class Fate:
    """What happens to one sending of a request."""

    seconds: float
    """How long its answer takes."""
    fault: str | None
    """One of FAULTS, or None."""


def fate(knobs: Knobs, key: str, sending: int) -> Fate:
    """Of the so-many-th sending (from 0) of what has this key."""
    rng = _random(knobs, key, sending)
    seconds = knobs.latency * math.exp(knobs.spread * rng.gauss(0.0, 1.0))
    return Fate(seconds, _pick(rng, knobs, FAULTS))


def line_fate(knobs: Knobs, key: str, sending: int) -> str | None:
    """What goes wrong with a request of a batch: ``batch_errored``, ``batch_expired``, one of SPOILT, or nothing."""
    rng = _random(knobs, key, sending)
    return _pick(rng, knobs, ("batch_errored", "batch_expired")) or _pick(rng, knobs, SPOILT)


def _random(knobs: Knobs, key: str, sending: int) -> random.Random:
    return random.Random(f"{knobs.seed}/{key}/{sending}")  # by a text: the same in every process


def _pick(rng: random.Random, knobs: Knobs, names: tuple[str, ...]) -> str | None:
    at = rng.random()
    for name in names:
        at -= getattr(knobs, name)
        if at < 0:
            return name
    return None
