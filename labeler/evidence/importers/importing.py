"""Foreign evidence -> a store: features as their maker kept them, a batch of them in memory at a time."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence import logit_lens
from labeler.evidence.collect.publish import link, replace, write_shard, write_store
from labeler.evidence.copies import LEFT_OUT
from labeler.evidence.importers.base import Foreign, ForeignFeature, ForeignWindow, cut
from labeler.evidence.importers.documents import Documents
from labeler.evidence.neighbours import NEAR_COSINE, NEAREST, Neighbours, cofiring, groups
from labeler.evidence.sampling import N_STRATA, split_of, strata
from labeler.evidence.store.contexts import Contexts, Rows
from labeler.evidence.store.lexicon import write_lexicon
from labeler.evidence.store.manifest import PROMOTED, Shard
from labeler.evidence.store.storage import Tensors, write_tensors
from labeler.evidence.store.store import NEIGHBOURS, SUMMARY, VOCABULARY, EvidenceStore
from labeler.features import SPLITS
from labeler.progress import Progress, silent

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


BATCH_WINDOWS = 20_000
"""Windows in memory at a time, about."""

BATCH_FEATURES = 1_024
"""Features in a shard, at most."""

Links = dict[int, tuple[tuple[int, float], ...]]
"""By a feature's index the indices of those near it, with the cosine, where the files say."""


def import_features(
    foreign: Foreign, target: Path, source: str, fingerprint: str, progress: Progress = silent
) -> EvidenceStore:
    """Keep foreign features as the store ``target``; where one of the same origin is there, they are added to it.

    ``source`` names the files, ``fingerprint`` identifies them: what was imported before is not imported again. Windows
    without a document count as one where their texts are nearly the same. Raises InputError where the files are
    damaged or hold no context, or a feature comes twice; nothing is left then.
    """
    old = _appendable(target, foreign, fingerprint) if target.exists() else None
    if old is not None and fingerprint in old.manifest.progress["imported"]:
        return old
    work = target.with_name(f".importing-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        growing = Growing(work, source)
        if old is not None:
            growing.take(old)
        for features in batches(foreign.features()):
            growing.add(features, foreign.origin.n_tokens)
            progress("importing features", len(growing.known), None, "features")
        growing.finish(foreign, target.name, fingerprint, old, progress)
        replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return EvidenceStore(target)


def batches(features: Iterable[ForeignFeature]) -> Iterator[list[ForeignFeature]]:
    """Runs of consecutive features with about BATCH_WINDOWS windows together."""
    batch: list[ForeignFeature] = []
    held = 0
    for feature in features:
        batch.append(feature)
        held += len(feature.windows)
        if held >= BATCH_WINDOWS or len(batch) == BATCH_FEATURES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


class Growing:
    """A store of imported features that grows by shards, each with a table of contexts of its own."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        self._source = source
        self._vocabulary = Vocabulary()
        self._shards: list[Shard] = []
        self._summaries: list[dict[str, NDArray[Any]]] = []
        self._tables: list[int] = []
        self._links: Links = {}
        self._sampling: str | None = None
        self.known: set[int] = set()
        """The indices of the features so far."""

    def take(self, old: EvidenceStore) -> None:
        """Begin with all that a store has."""
        for name in old.manifest.files:
            if name not in (SUMMARY, NEIGHBOURS, VOCABULARY):
                link(old.path(name), self._folder / name)
        self._vocabulary(old.vocabulary)
        self._shards = list(old.manifest.shards)
        self._tables = [table.n for table in old.manifest.tables]
        self._summaries = [{name: old.summary[name].copy() for name in old.summary}]
        if old.manifest.progress["near"] == "cosines":
            self._links = {int(index): near for index in old.indices if (near := old.nearest(int(index)))}
        self._sampling = old.manifest.sampling
        self.known = set(old.indices.tolist())

    def add(self, features: list[ForeignFeature], n_tokens: int | None) -> None:
        """Take in some features; ``n_tokens`` of the corpus, where it is known."""
        before = len(self.known)
        for feature in features:
            self._check(feature)
            self.known.add(feature.index)
            if feature.nearest:
                self._links[feature.index] = feature.nearest
        batch = Batch(sum(self._tables), self._vocabulary, features)
        table = batch.contexts()
        pool = np.zeros(len(table), dtype=bool)
        write_tensors(self._folder / f"contexts-{len(self._tables):05d}.safetensors", {**table.arrays(), "pool": pool})
        arrays = batch.shard(table.split)
        self._shards.append(write_shard(self._folder, len(self._shards), arrays))
        self._summaries.append(batch.summary(arrays, before, n_tokens))
        self._tables.append(len(table))

    def _check(self, feature: ForeignFeature) -> None:
        if feature.index in self.known:
            raise InputError(f"{self._source}: feature {feature.index} is there already; each may come once")
        if feature.windows:
            sampling = "population" if feature.population else "top-and-random"
            here = {window.stratum for window in feature.windows}
            for stratum, count in feature.population.items():
                if count and stratum not in here:
                    raise InputError(
                        f"{self._source}: feature {feature.index}: the stratum '{stratum}' counts {count} contexts and none "
                        "of them is here; without one its share of the corpus cannot be spoken for"
                    )
            if self._sampling not in (None, sampling):
                raise InputError(
                    f"{self._source}: feature {feature.index} has {'a' if feature.population else 'no'} population, "
                    "unlike those before; give all features one, or none"
                )
            self._sampling = sampling

    def finish(
        self, foreign: Foreign, name: str, fingerprint: str, old: EvidenceStore | None, progress: Progress
    ) -> None:
        """Write what makes the folder a store."""
        if not sum(self._tables):
            raise InputError(f"{self._source}: no feature with a context in it; there is nothing to label")
        columns = {key: np.concatenate([s[key] for s in self._summaries]) for key in self._summaries[0]}
        order = np.argsort(columns["index"])
        summary = {key: column[order] for key, column in columns.items()}
        before = [] if old is None else old.manifest.progress["imported"]
        origin = foreign.origin
        tables = [Tensors(path) for path in sorted(self._folder.glob("contexts-*.safetensors"))]
        write_lexicon(self._folder, tables, progress)
        write_store(
            self._folder,
            shards=self._shards,
            summary=summary,
            neighbours=self._near(summary["index"], summary["at"]),
            vocabulary=list(self._vocabulary.ids),
            length=LENGTH,
            name=name,
            model=origin.model,
            hook=origin.hook,
            dictionary=self._source,
            source=origin.format,
            corpus=origin.corpus,
            corpus_fingerprint=fingerprint,
            sampling=self._sampling,
            n_tokens=origin.n_tokens or 0,
            n_contexts=sum(self._tables),
            lens=logit_lens.measured([Tensors(self._folder / shard.file) for shard in self._shards], self._rows()),
            progress={"imported": [*before, fingerprint], "near": "cosines" if self._links else "cofiring"},
        )

    def _rows(self) -> Rows:
        tables = [Tensors(path) for path in sorted(self._folder.glob("contexts-*.safetensors"))]
        return Rows(lambda number: tables[number], self._tables)

    def _near(self, index: NDArray[np.int64], at: NDArray[np.int64]) -> Neighbours:
        """By what the files say of cosines, or else by co-firing."""
        if self._links:
            return by_links(self._links, index)
        found = cofiring((Tensors(self._folder / shard.file) for shard in self._shards), self._rows(), len(index))
        place = np.append(np.argsort(at), -1)  # of a feature in the shards -> by index; and -1 stays what it is
        return Neighbours(
            nearest=place[found.nearest[at]].astype(np.int32),
            closeness=found.closeness[at],
            group=place[found.group[at]].astype(np.int32),
        )


def by_links(links: Links, index: NDArray[np.int64]) -> Neighbours:
    """The neighbours that the files name, as far as those are here; ``index`` [n] ascending."""
    place = {int(i): at for at, i in enumerate(index)}
    nearest = np.full((len(index), NEAREST), -1, dtype=np.int32)
    closeness = np.zeros((len(index), NEAREST), dtype=np.float16)
    for i, near in links.items():
        here = sorted(((c, place[j]) for j, c in near if j in place and j != i), key=lambda link: -link[0])[:NEAREST]
        nearest[place[i], : len(here)] = [j for _, j in here]
        closeness[place[i], : len(here)] = [c for c, _ in here]
    return Neighbours(
        nearest=nearest,
        closeness=closeness,
        group=groups(nearest, closeness, NEAR_COSINE, np.arange(len(index))),
    )


def _appendable(target: Path, foreign: Foreign, fingerprint: str) -> EvidenceStore:
    """The store that is there; InputError where it holds something else."""
    old = EvidenceStore(target)
    there = (old.manifest.source, old.manifest.model, old.manifest.hook)
    if there != (foreign.origin.format, foreign.origin.model, foreign.origin.hook):
        raise InputError(
            f"'{target.name}' exists and is something else ({there[0]}: {there[1] or '?'}, {there[2] or '?'}); "
            "choose another `name`"
        )
    return old
