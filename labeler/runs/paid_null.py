"""How much of a run goes into the null of paid simulators and judges: features to try foreign labels on, and how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labeler.catalogue.nulls import POOLED

FEATURES = 64
"""Features that a null is taken on at most: the percentiles of all others are read off what is found there."""

LABELS = 3
"""Foreign labels that are tried on each of them, at most, where nobody says how many."""

OWN_FOR_A_FOREIGN = 4
"""Features of the run for each foreign label that is tried, at least. To try one costs what scoring the own label did, so
that the null is a fifth of what scoring costs at most."""


@dataclass(frozen=True)
class PaidNull:
    """On which features foreign labels are tried by what has to be paid, and how many on each."""

    features: Sequence[int] = ()
    labels: int = 0


def paid_null(live: Sequence[int], seed: int, foreign: int | None = None) -> PaidNull:
    """The null of a run over the ``live`` features; ``foreign`` labels on each of the sample where that is said.

    Else as many in all as OWN_FOR_A_FOREIGN allows, on as many features as there may be: two labels on two features say
    more than two on one. Where those would be too few to read a percentile off, none: they would be paid for nothing.
    """
    tried = min(FEATURES * LABELS, len(live) // OWN_FOR_A_FOREIGN)
    if foreign is not None:
        n, labels = (FEATURES, foreign) if foreign else (0, 0)
    elif tried < POOLED:
        n, labels = 0, 0
    else:
        n, labels = min(FEATURES, tried), tried // min(FEATURES, tried)
    return PaidNull(sample(live, seed, n), labels)


def sample(live: Sequence[int], seed: int, n: int = FEATURES) -> list[int]:
    """At most n of the features at random, in index order; a smaller sample is a part of a larger one."""
    drawn = np.random.default_rng(seed).permutation(list(live))[:n]
    return sorted(int(index) for index in drawn)


def stored_null(config: Mapping[str, Any]) -> PaidNull:
    """The paid null out of a stored run's configuration."""
    if "paid_null" in config:
        return PaidNull(**config["paid_null"])
    # It was begun by a version that took every null on the whole sample.
    return PaidNull(config["null_sample"], config["labelling"]["foreign"])
