"""A batch of foreign features as the arrays of a store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.columns import PROMOTED
from labeler.evidence.contexts import Contexts
from labeler.evidence.copies import LEFT_OUT
from labeler.evidence.formats.base import ForeignFeature, ForeignWindow
from labeler.evidence.formats.cutting import cut
from labeler.evidence.formats.documents import Documents
from labeler.evidence.sampling import N_STRATA, split_of, strata
from labeler.features import SPLITS

LENGTH = 64
"""Tokens in a context, at most: what most foreign windows have, and the rest is cut to."""


@dataclass
class Vocabulary:
    """Token strings by id, in the order in which they were met."""

    ids: dict[str, int] = field(default_factory=dict)

    def __call__(self, tokens: Sequence[str]) -> list[int]:
        return [self.ids.setdefault(token, len(self.ids)) for token in tokens]


def documents_of(windows: Sequence[ForeignWindow]) -> list[tuple[str, int]]:
    """The document of every window, and its split; ``LEFT_OUT`` where none may have it.

    Whatever is of one document, or nearly the same text, is one, and has the split of the first of it. Of a window that
    names no document it is the first one's name, or a hash of its text.
    """
    texts = Documents()
    for window in windows:
        texts.add("".join(window.tokens), window.document)
    groups = texts.groups()
    names: dict[int, str] = {}
    for group in np.unique(groups).tolist():
        first = windows[group]
        text = "".join(first.tokens).encode("utf-8", "replace")
        names[group] = first.document or f"text {hashlib.sha256(text).hexdigest()[:16]}"
    by_group = {group: split_of(name) for group, name in names.items()}
    splits = np.array([by_group[group] for group in groups.tolist()], dtype=np.int64)
    here, first_here = texts.crowds()
    left_out = splits[here] != splits[first_here]
    splits[here[left_out]] = LEFT_OUT
    return [
        (names[group] if window.document is None else window.document, split)
        for window, group, split in zip(windows, groups.tolist(), splits.tolist(), strict=True)
    ]


@dataclass
class Batch:
    """Some features as the arrays of a shard and of a table of contexts."""

    first_row: int
    vocabulary: Vocabulary
    features: Sequence[ForeignFeature]

    def __post_init__(self) -> None:
        self._row_of: dict[tuple[str, tuple[str, ...]], int] = {}
        self._contexts: list[ForeignWindow] = []
        windows = [window for feature in self.features for window in feature.windows]
        self._splits: list[int] = []
        self._places = iter(documents_of(windows))
        self._pairs = [self._pairs_of(feature) for feature in self.features]

    def _pairs_of(self, feature: ForeignFeature) -> list[tuple[int, ForeignWindow, float]]:
        """Every context of a feature once: its row, itself, and how many contexts of the corpus it stands for."""
        placed = [(window, *next(self._places)) for window in feature.windows]
        placed = [(window, document, split) for window, document, split in placed if split != LEFT_OUT]
        at_hand = Counter(window.stratum for window, _, _ in placed)
        found: dict[int, tuple[int, ForeignWindow, float]] = {}
        for window, document, split in placed:
            counted = feature.population.get(window.stratum or "")
            weight = 1.0 if counted is None else counted / at_hand[window.stratum]
            for piece in cut(window, LENGTH):
                row = self._row_of.setdefault((document, piece.tokens), len(self._contexts))
                if row == len(self._contexts):
                    self._contexts.append(piece)
                    self._splits.append(split)
                # One text may be listed twice, cut from different places: the stronger is what is shown of it.
                if row not in found or piece.activations.max() > found[row][1].activations.max():
                    found[row] = (row, piece, weight)
        return sorted(found.values(), key=lambda pair: pair[0])

    def contexts(self) -> Contexts:
        """The table of contexts."""
        pieces = self._contexts
        texts = ["".join(piece.tokens) for piece in pieces]
        return Contexts.of(
            first=self.first_row,
            tokens=[self.vocabulary(piece.tokens) for piece in pieces],
            ends=[np.cumsum([len(token) for token in piece.tokens]) for piece in pieces],
            texts=texts,
            documents=[document for document, _ in self._row_of],
            splits=self._splits,
            length=LENGTH,
        )

    def shard(self, split: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The arrays of the features, ``split`` [n_contexts] that of each context."""
        pairs = [pair for of_feature in self._pairs for pair in of_feature]
        counts = [len(of_feature) for of_feature in self._pairs]
        # Half precision as everywhere in a store; what would vanish stays the smallest number there is.
        values = [np.clip(piece.activations, 0, 65504).astype(np.float32) for _, piece, _ in pairs]
        halves = [np.where(v > 0, np.maximum(v.astype(np.float16), np.float16(6e-8)), np.float16(0)) for v in values]
        active = [np.flatnonzero(h > 0) for h in halves]
        maximum = np.array([h.max(initial=0) for h in halves], dtype=np.float32)
        stratum = strata(maximum)
        row = np.array([r for r, _, _ in pairs], dtype=np.int64)
        weight = np.array([w for _, _, w in pairs], dtype=np.float32)
        feature = np.repeat(np.arange(len(self.features)), counts)
        population = np.zeros((len(self.features), len(SPLITS), N_STRATA))
        np.add.at(population, (feature, split[row], stratum), weight)
        histogram = np.zeros((len(self.features), N_STRATA), dtype=np.int64)
        for at, half, where in zip(feature, halves, active, strict=True):
            np.add.at(histogram[at], strata(half[where].astype(np.float32)), 1)
        count = np.array([len(where) for where in active], dtype=np.uint8)
        offsets = np.cumsum([0, *counts], dtype=np.int64)
        return {
            "offsets": offsets,
            "starts": np.concatenate([[0], np.cumsum(count, dtype=np.int64)])[offsets],
            "sampled": np.array(counts, dtype=np.int32),
            "context": (row + self.first_row).astype(np.uint32),
            "count": count,
            "weight": weight,
            "position": np.concatenate([*active, np.zeros(0)]).astype(np.uint8),
            "value": np.concatenate([*(h[w] for h, w in zip(halves, active, strict=True)), np.zeros(0, np.float16)]),
            "population": np.rint(population).astype(np.uint32),
            "histogram": histogram,
            **self._tokens(),
        }

    def _tokens(self) -> dict[str, NDArray[Any]]:
        columns: dict[str, NDArray[Any]] = {}
        for name in ("promoted", "suppressed"):
            ids = np.full((len(self.features), PROMOTED), -1, dtype=np.int32)
            logits = np.zeros((len(self.features), PROMOTED), dtype=np.float16)
            for at, feature in enumerate(self.features):
                listed = getattr(feature, name)[:PROMOTED]
                ids[at, : len(listed)] = self.vocabulary([token for token, _ in listed])
                logits[at, : len(listed)] = np.clip([logit for _, logit in listed], -65504, 65504)
            columns |= {name: ids, f"{name}_logits": logits}
        return columns

    def summary(self, shard: Mapping[str, NDArray[Any]], first: int, n_tokens: int | None) -> dict[str, NDArray[Any]]:
        """The rows of the summary; ``first`` is how many features stand in the shards before."""
        densities = [np.nan if f.density is None else f.density for f in self.features]
        at_hand = shard["histogram"].sum(axis=1)
        firing = np.rint(np.nan_to_num(densities) * n_tokens).astype(np.int64) if n_tokens else at_hand
        strongest = np.zeros(len(self.features), dtype=np.float32)
        feature = np.repeat(np.arange(len(self.features)), np.diff(shard["starts"]))
        np.maximum.at(strongest, feature, shard["value"].astype(np.float32))
        return {
            "index": np.array([f.index for f in self.features]),
            "at": np.arange(first, first + len(self.features)),
            "firing": np.maximum(firing, at_hand),
            "density": np.array(densities),
            "maximum": np.array(
                [
                    s if f.max_activation is None else f.max_activation
                    for f, s in zip(self.features, strongest, strict=True)
                ],
                dtype=np.float32,
            ),
            "contexts": shard["population"][:, :, 1:].sum(axis=2, dtype=np.int64),
        }
