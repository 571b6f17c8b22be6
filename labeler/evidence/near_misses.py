"""Contexts in which a feature ought to be tempted to fire, and does not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.sampling import permanent_number
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS, Context, Evidence, IntArray, Split

Kind = Literal["token", "embedding", "neighbour"]
"""Why a context is near: it holds one of the feature's strongest tokens, it reads like one in which the feature fires, or
one of the feature's nearest neighbours fires in it (and it holds none of those tokens)."""

TOP_TOKENS = 5
"""Tokens that count as the feature's strongest."""

SHOWN = 4
"""Near-misses beside the evidence that an explainer is shown."""

STEP = 0.02
"""Of a cosine: what is closer by less is as close."""

LOOKED_AT = 2_000
"""Contexts of the pool among which those are looked for: of a large one every so-manieth."""


@dataclass(frozen=True, eq=False, kw_only=True)
class NearMiss:
    """A context that was looked up and found silent, though something speaks for it."""

    kind: Kind
    context: Context
    weight: float | None
    """How many silent contexts of the corpus of this kind it stands for; None where it was not drawn at random."""


def near_misses(store: EvidenceStore, index: int, split: Split, n: int) -> list[NearMiss]:
    """At most n near-misses of every kind, of one split; none of a context twice.

    Those by token and by neighbour are a uniform draw from all that the pool has (the ones with the smallest permanent
    numbers), each with its weight; those by embedding are the closest, and so no probability sample. Evidence without a
    pool has only the silent contexts that came with it, unweighted. Raises InputError where there is no such feature.
    """
    frame = store.frame(index, split)
    silent, weight = frame.contexts[~frame.firing], frame.weight[~frame.firing]
    counted = store.manifest.sampling == "population"
    if not len(silent):
        return []
    found: list[NearMiss] = []
    splits = store.splits(index)
    taken = np.zeros(len(silent), dtype=bool)
    holding = _holding(store, silent, _strongest_tokens(store, index))
    near = ~holding & np.isin(silent, _fires_near(store, index))
    kinds: tuple[tuple[Kind, NDArray[np.bool_]], ...] = (("token", holding), ("neighbour", near))
    for kind, drawn in kinds:
        candidates = np.flatnonzero(drawn)
        number = permanent_number(store.rows.column("ordinal", silent[candidates]))
        chosen = candidates[np.argsort(number)[:n]]
        taken[chosen] = True
        stands_for = len(candidates) / max(1, len(chosen))
        for at in chosen:
            stands = float(weight[at]) * stands_for if counted else None
            found.append(NearMiss(kind=kind, context=_silent(store, int(silent[at]), splits), weight=stands))
    if store.manifest.states:
        rest = np.flatnonzero(~taken)
        for at in rest[_closest(store, index, silent[rest], n)]:
            found.append(NearMiss(kind="embedding", context=_silent(store, int(silent[at]), splits), weight=None))
    return found


def evidence_with_near_misses(store: EvidenceStore, index: int, n: int = SHOWN) -> Evidence:
    """All that is known of a feature, with a few near-misses of ``explain``, each from another document.

    By turns one that holds the strongest of the feature's tokens that any holds, and one in which the nearest of its
    neighbours fires. Raises InputError where there is no such feature.
    """
    silent = _some_silent(store, index)
    tokens = [_holding(store, silent, token) for token in _strongest_tokens(store, index)[:, None]]
    holding = np.any(tokens, axis=0) if tokens else np.zeros(len(silent), dtype=bool)
    near = [~holding & np.isin(silent, _fires(store, other)) for other, _ in store.nearest(index)]
    by_kind = [list(dict.fromkeys(row for found in kind for row in silent[found].tolist())) for kind in (tokens, near)]
    turns = [row for pair in itertools.zip_longest(*by_kind) for row in pair if row is not None]
    chosen: dict[str, int] = {}
    for row in turns:
        if len(chosen) == n:
            break
        chosen.setdefault(store.rows.document(row), row)
    splits = store.splits(index)
    return replace(store.evidence(index), near_misses=tuple(_silent(store, row, splits) for row in chosen.values()))


def _some_silent(store: EvidenceStore, index: int) -> IntArray:
    """Contexts of ``explain`` in which the feature was looked up and is silent: of the pool, and those kept beside it.

    In no order that has to do with where they stand.
    """
    found = store.read(index)
    explained = store.splits(index) == SPLITS.index("explain")
    pool = store.rows.in_pool[explained[store.rows.in_pool]]
    kept = found.contexts[~found.activations.any(axis=1)]
    kept = kept[explained[kept]]
    looked_at = pool[:: 1 + len(pool) // LOOKED_AT]
    rows = np.union1d(np.setdiff1d(looked_at, found.contexts), kept)
    return rows[np.argsort(permanent_number(store.rows.column("ordinal", rows)))]


def _silent(store: EvidenceStore, row: int, splits: NDArray[np.uint8]) -> Context:
    tokens = store.rows.strings(row)
    return Context(
        id=row,
        document=store.rows.document(row),
        split=SPLITS[int(splits[row])],
        tokens=tokens,
        activations=np.zeros(len(tokens), dtype=np.float32),
    )


def _strongest_tokens(store: EvidenceStore, index: int) -> IntArray:
    """The ids of the tokens that hold most of the feature's activation in ``explain``, which any split may know of."""
    found = store.read(index)
    here = store.splits(index)[found.contexts] == SPLITS.index("explain")
    ids, activations = store.rows.column("tokens", found.contexts[here]), found.activations[here]
    tokens, where = np.unique(ids[activations > 0], return_inverse=True)
    total = np.bincount(where, activations[activations > 0], minlength=len(tokens))
    return tokens[np.argsort(-total, kind="stable")[:TOP_TOKENS]].astype(np.int64)


def _holding(store: EvidenceStore, rows: IntArray, tokens: IntArray) -> NDArray[np.bool_]:
    return np.asarray(np.isin(store.rows.column("tokens", rows), tokens).any(axis=1), dtype=bool)


def _fires_near(store: EvidenceStore, index: int) -> IntArray:
    """The contexts in which the nearest features fire."""
    rows = [_fires(store, other) for other, _ in store.nearest(index)]
    return np.unique(np.concatenate(rows)) if rows else np.zeros(0, dtype=np.int64)


def _fires(store: EvidenceStore, index: int) -> IntArray:
    found = store.read(index)
    return found.contexts[found.activations.any(axis=1)]


def _closest(store: EvidenceStore, index: int, rows: IntArray, n: int) -> IntArray:
    """Which n contexts' mean states are closest to that of the firing contexts of ``explain``; none where none fires.

    Cosines count in steps, and contexts of the same step by their permanent numbers: the last digits of a state depend
    on the processor that made it, and what is asked about a feature must not.
    """
    found = store.read(index)
    firing = found.contexts[(found.activations > 0).any(axis=1)]
    pooled = firing[(store.rows.pool_place[firing] >= 0) & (store.splits(index)[firing] == SPLITS.index("explain"))]
    if not len(pooled):
        return np.zeros(0, dtype=np.int64)
    centre = store.states.means(pooled).astype(np.float64).mean(axis=0)
    means = store.states.means(rows).astype(np.float64)
    norms = np.linalg.norm(means, axis=1) * np.linalg.norm(centre)
    step = np.floor(means @ centre / np.maximum(norms, 1e-9) / STEP)
    return np.lexsort((permanent_number(store.rows.column("ordinal", rows)), -step))[:n]
