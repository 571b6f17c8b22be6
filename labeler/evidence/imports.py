"""Foreign evidence -> a store: features as their maker kept them, a batch of them in memory at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence import lens
from labeler.evidence.cofiring import cofiring
from labeler.evidence.finishing import link, replace
from labeler.evidence.formats.base import Foreign, ForeignFeature
from labeler.evidence.importing import LENGTH, Batch, Vocabulary
from labeler.evidence.lexicon import write_lexicon
from labeler.evidence.manifest import Shard
from labeler.evidence.neighbours import NEAR_COSINE, NEAREST, Neighbours, groups
from labeler.evidence.rows import Rows
from labeler.evidence.store import NEIGHBOURS, SUMMARY, VOCABULARY, EvidenceStore
from labeler.evidence.tensors import Tensors, write_tensors
from labeler.evidence.writing import write_shard, write_store
from labeler.progress import Progress, silent

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
            lens=lens.measured([Tensors(self._folder / shard.file) for shard in self._shards], self._rows()),
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
