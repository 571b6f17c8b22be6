"""What is kept of all that was seen: the pool, the reservoirs, the strongest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.pairs import Pairs
from labeler.evidence.sampling import N_STRATA, RESERVOIR, TOP, first_of_group, permanent_number
from labeler.features import SPLITS


def sampled_and_top(
    pairs: Pairs, split: NDArray[np.integer[Any]], limit: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs are part of the probability sample, and which of the strongest: [n] -> [n], [n].

    The sample holds a pair where its context is of the pool (its permanent number is at most ``limit``), or is among the
    RESERVOIR smallest numbers of the feature's split and stratum. Settling is associative: what it drops of a part, it
    would have dropped of the whole.
    """
    number = permanent_number(pairs.ordinal)
    in_pool = number <= limit
    if in_pool.all():
        return in_pool, np.zeros_like(in_pool)
    feature = (pairs.feature - pairs.feature.min(initial=0)).astype(np.int64)
    of_split = feature * len(SPLITS) + split
    # Reservoirs reach beyond the pool only where the pool holds too few, so both cuts are on the same number.
    smallest = first_of_group(of_split * N_STRATA + pairs.stratum, (number * 2.0**33).astype(np.uint64), RESERVOIR)
    # Of equally strong ones the smaller number: 17 bits of strength (a float16's order is its bits'), 16 of number.
    weakness = np.uint64(0xFFFF) - pairs.maximum.astype(np.float16).view(np.uint16).astype(np.uint64)
    strongest = first_of_group(of_split, (weakness << np.uint64(16)) | (number * 2.0**16).astype(np.uint64), TOP)
    return in_pool | smallest, strongest


def settle(pairs: Pairs, split: NDArray[np.integer[Any]], limit: float) -> Pairs:
    """The pairs that something needs."""
    sampled, top = sampled_and_top(pairs, split, limit)
    kept = sampled | top
    return pairs if kept.all() else pairs.take(np.flatnonzero(kept))
