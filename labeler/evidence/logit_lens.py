"""Whether the tokens that a dictionary's features promote say anything of what follows where they fire.

The direct logit lens reads a feature's direction out as if nothing came behind its layer. In a model's last layers that is
nearly so; far before them a list of promoted tokens can be noise. So it is measured: of some features the tokens that
follow their firing ones, and how often they stand in the feature's own list, against the lists of the other features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labeler.evidence.store.contexts import Rows
from labeler.evidence.store.storage import Tensors
from labeler.features import IntArray, Lens

FEATURES = 256
"""Features that are looked at, at most."""

LEAST = 8
"""Contexts of each, and tokens that follow in them; and features, below which nothing is said."""


def measured(shards: Sequence[Tensors], rows: Rows) -> Lens | None:
    """The figure of a store, by its shards of features and its contexts; None where there are too few of either."""
    shards = shards[:: max(1, len(shards) // FEATURES)]
    lists, following = [], []
    for shard in shards:
        candidates = np.flatnonzero((shard["promoted"][:, 0] >= 0) & (np.diff(shard["offsets"]) >= LEAST))
        wanted = min(len(candidates), -(-FEATURES // len(shards)))
        for at in candidates[np.linspace(0, len(candidates) - 1, wanted).astype(int)].tolist():
            tokens = _following(shard, at, rows)
            if len(tokens) >= LEAST:
                lists.append(np.asarray(shard["promoted"][at], dtype=np.int64))
                following.append(tokens)
    return told_apart(lists, following) if len(lists) >= LEAST else None


def told_apart(lists: Sequence[IntArray], following: Sequence[IntArray]) -> Lens:
    """How surely what follows a feature's firing tokens picks its own list out of all; -1 fills a list up.

    The figure is the mean over the features of the share of other lists that hold less of it than its own, half of those
    that hold as much: an area under the ROC curve, .5 by chance. The interval is that of a mean of so many (95 %).
    """
    n = len(lists)
    listed, place = np.unique(np.concatenate(lists), return_inverse=True)
    holds = np.zeros((n, len(listed)), dtype=np.float32)
    holds[np.repeat(np.arange(n), [len(one) for one in lists]), place] = 1
    holds[:, listed < 0] = 0
    counts = np.zeros_like(holds)
    for at, tokens in enumerate(following):
        found = np.minimum(np.searchsorted(listed, tokens), len(listed) - 1)
        np.add.at(counts[at], found[listed[found] == tokens], 1)
    shares = counts @ holds.T  # whole numbers: ties are ties
    own = np.diag(shares)[:, None]
    below, ties = (shares < own).sum(axis=1), (shares == own).sum(axis=1) - 1
    area = (below + ties / 2) / (n - 1)
    half = 1.96 * float(area.std(ddof=1)) / n**0.5
    mean = float(area.mean())
    return Lens(auc=round(mean, 4), low=round(mean - half, 4), high=round(mean + half, 4), n_features=n)


def _following(shard: Tensors, at: int, rows: Rows) -> IntArray:
    """The tokens that follow a feature's firing ones in the contexts at hand, wherever one does."""
    begin, end = shard["offsets"][at : at + 2].tolist()
    first, last = shard["starts"][at : at + 2].tolist()
    ids = rows.column("tokens", shard["context"][begin:end].astype(np.int64))
    row = np.repeat(np.arange(end - begin), shard["count"][begin:end])
    behind = shard["position"][first:last].astype(np.int64) + 1
    inside = behind < ids.shape[1]
    tokens = ids[row[inside], behind[inside]]
    found: IntArray = tokens[tokens >= 0].astype(np.int64)
    return found
