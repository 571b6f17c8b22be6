"""Pieces of a collection that no model made: as many features as one likes, firing by a law of powers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labeler.evidence.neighbours import Pairs
from labeler.evidence.store.contexts import Contexts

LENGTH = 32
PER_PIECE = 512
"""Contexts in a piece: as many as a collection has."""


def pieces(n_features: int, n_tokens: int, active: int, seed: int = 0) -> Iterator[tuple[Contexts, Pairs]]:
    """About n_tokens tokens with ``active`` features on each.

    The density of the feature at rank r of n falls as (r / n) ** -0.5: a tenth of the features does a third of the
    firing, as in dictionaries that were trained. Strengths are log-normal around 4.
    """
    rng = np.random.default_rng(seed)
    words = [f" w{i:03d}" for i in range(1000)]
    for first in range(0, n_tokens // LENGTH, PER_PIECE):
        ids = rng.integers(0, len(words), (PER_PIECE, LENGTH))
        contexts = Contexts.of(
            first=first,
            tokens=list(ids),
            ends=[np.arange(5, 5 * LENGTH + 1, 5)] * PER_PIECE,
            texts=["".join(words[i] for i in row) for row in ids],
            documents=[f"document {(first + at) // 8}" for at in range(PER_PIECE)],
            length=LENGTH,
        )
        place = np.repeat(np.arange(PER_PIECE * LENGTH), active)
        feature = (n_features * rng.random(len(place)) ** 2).astype(np.int64)
        distinct = np.unique(place * n_features + feature)
        place, feature = np.divmod(distinct, n_features)
        value = np.exp(rng.normal(np.log(4), 0.7, len(place))).astype(np.float16)
        yield contexts, Pairs.of_active(feature, first + place // LENGTH, place % LENGTH, value)
