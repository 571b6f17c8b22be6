"""Evidence at rest: a folder a dictionary, memory-mapped, one feature's evidence in microseconds.

manifest.json               what it was made from, sizes, the checksum of every other file
contexts-*.safetensors      tables of the contexts that are kept, each once
features-*.safetensors      a range of features each: which fire in which contexts and how, counts, tokens
words.safetensors           the words of all contexts, and places-*.safetensors which of them stand on every token
states-*.safetensors        the sentence encoder's states of the uniform pool's contexts
vectors.safetensors         its vectors of the words that stand in these
summary.safetensors         a few numbers of every feature
neighbours.safetensors      the nearest features of every feature, and its group of near-duplicates
vocabulary.json             token strings by id
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence.keeping import Kept, kept_folder
from labeler.evidence.lexicon import WORDS, Lexicon, lexicon_of, places_file, write_lexicon
from labeler.evidence.manifest import Shard
from labeler.evidence.rows import Rows
from labeler.evidence.sampling import strata
from labeler.evidence.shelf import Shelf
from labeler.evidence.states import MEANS, States
from labeler.evidence.tables import Tables
from labeler.evidence.tensors import DamagedFileError, Tensors, rising
from labeler.evidence.word_vectors import VECTORS, WordVectors
from labeler.features import SPLITS, Context, Evidence, FloatArray, Frame, IntArray, Split, Statistics
from labeler.models.names import ENCODER

SUMMARY = "summary.safetensors"
NEIGHBOURS = "neighbours.safetensors"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True, eq=False)
class Material:
    """Contexts without activations: what a simulator may see."""

    store: EvidenceStore
    at: IntArray
    """[n] rows of the store."""

    def __len__(self) -> int:
        return len(self.at)

    def __repr__(self) -> str:
        return f"Material({len(self)} contexts of {self.store.manifest.name!r})"

    @property
    def length(self) -> int:
        """Tokens in a context, at most."""
        return self.store.manifest.length

    @property
    def ids(self) -> NDArray[np.int32]:
        """[n, length] token ids, -1 behind a context's end."""
        return self.store.rows.column("tokens", self.at)

    def tokens(self) -> list[tuple[str, ...]]:
        """The token strings of each context."""
        return [self.store.rows.strings(int(row)) for row in self.at]

    def in_pool(self) -> Iterator[tuple[Split, IntArray, IntArray]]:
        """Which of the contexts are in the pool, by split, and their places among the pool's contexts of that split."""
        inside = self.store.rows.pool_place[self.at] >= 0
        for number, split in enumerate(SPLITS):
            here = np.flatnonzero(inside & (self.store.rows.split[self.at] == number))
            if len(here):
                yield split, here, np.searchsorted(self.store.pool(split), self.at[here])

    def words(self) -> NDArray[np.int32]:
        """[n, length] which word of the store's lexicon stands on each token, of several the last; -1 where none does."""
        return self.store.lexicon.of(self.at)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """What lies in the store of one feature, as arrays: the contexts at hand, and how it is active on them."""

    contexts: IntArray
    """[n] rows of the store; the probability sample first, then those that are only among the strongest."""
    n_sampled: int
    lengths: NDArray[np.uint8]
    """[n] tokens in each."""
    activations: FloatArray
    """[n, length], zero where silent and behind the end."""

    def __repr__(self) -> str:
        return f"Reading({len(self.contexts)} contexts, {self.n_sampled} of them sampled)"


class EvidenceStore:
    """A dictionary's evidence, opened for reading; files are opened, and checked, when they are first needed."""

    def __init__(self, place: str | Path) -> None:
        """Raises InputError where there is no evidence of this version in a folder or at an fsspec URL."""
        self.shelf = Shelf(place)
        self.manifest = self.shelf.manifest()
        self._features: dict[int, Tensors] = {}
        self._lock = threading.Lock()
        self._first = np.cumsum([0, *(shard.n for shard in self.manifest.shards)])
        self.rows = Rows(lambda number: self.open(self.manifest.tables[number]), [t.n for t in self.manifest.tables])
        """The contexts."""

    def __repr__(self) -> str:
        return f"EvidenceStore({self.manifest.summary}, {self.manifest.n_kept:,} contexts)"

    def open(self, shard: Shard) -> Tensors:
        """A file of the store, checked."""
        return Tensors(self.path(shard.file))

    def _opened(self, shard: Shard) -> Tensors:
        """A shard of features whose arrays fit each other and the store: a file can be whole and wrong all the same."""
        file = self.open(shard)
        offsets, starts, context = file["offsets"], file["starts"], file["context"]
        fits = (
            len(offsets) == len(starts) == shard.n + 1
            and rising(offsets, len(context))
            and rising(starts, len(file["value"]))
            and len(file["count"]) == len(context)
            and int(file["count"].sum(dtype=np.int64)) == len(file["value"]) == len(file["position"])
            and int(context.max(initial=0)) < self.manifest.n_kept
            and int(file["position"].max(initial=0)) < self.manifest.length
            and bool(np.isfinite(file["value"]).all())
        )
        if not fits:
            raise DamagedFileError(file.path, "its arrays do not fit each other, or hold NaN")
        return file

    def path(self, name: str) -> Path:
        """A file of the store on this machine, checked; DamagedFileError where it is not what was written."""
        expected = self.manifest.files.get(name)
        if expected is None:
            raise DamagedFileError(f"{self.shelf.shown}/{name}", "the manifest does not know it")
        return self.shelf.file(name, expected)

    def health(self, verify: bool) -> str | None:
        """What is wrong with the first file that is not as it was written; None where all are. ``verify`` reads them."""
        shelf = Shelf(self.shelf.place)  # a fresh one: what was checked once may have changed since
        try:
            for name, expected in self.manifest.files.items():
                shelf.check(name, expected)
                if verify:
                    shelf.verify(name, expected)
        except InputError as error:
            return str(error)
        return None

    @functools.cached_property
    def summary(self) -> Tensors:
        """[n_features] each, by ascending ``index``: ``at`` (its place in the shards), ``firing`` (tokens), ``density``,
        ``maximum``, ``contexts`` [.., splits]."""
        return Tensors(self.path(SUMMARY))

    @functools.cached_property
    def _neighbours(self) -> Tensors:
        return Tensors(self.path(NEIGHBOURS))

    @functools.cached_property
    def vocabulary(self) -> list[str]:
        """Token strings by id."""
        return list(json.loads(self.path(VOCABULARY).read_text(encoding="utf-8")))

    @functools.cached_property
    def lexicon(self) -> Lexicon:
        """The words of all contexts; indexed now, and kept on this machine, where the store came without."""
        sizes = [table.n for table in self.manifest.tables]
        if WORDS in self.manifest.files:
            return Lexicon(
                lambda: Tensors(self.path(WORDS)), lambda number: Tensors(self.path(places_file(number))), sizes
            )

        def write(folder: Path) -> None:
            write_lexicon(folder, [self.open(table) for table in self.manifest.tables])

        def read(folder: Path) -> Lexicon:
            found = lexicon_of(folder, sizes)
            found.open_all()
            return found

        return kept_folder(f"words-{self.manifest.fingerprint}", write, read)

    @functools.cached_property
    def word_vectors(self) -> WordVectors:
        """The sentence encoder's vectors of the lexicon's words."""
        return WordVectors(self.lexicon, Tensors(self.path(VECTORS)) if VECTORS in self.manifest.files else None)

    @functools.cached_property
    def states(self) -> States:
        """The sentence encoder's states of contexts by their rows."""
        stored = Tables(
            lambda number: self.open(self.manifest.states[number]), [shard.n for shard in self.manifest.states]
        )
        means = Tensors(self.path(MEANS))["means"] if MEANS in self.manifest.files else None
        if means is not None and len(means) != self.manifest.n_kept:
            raise DamagedFileError(self.path(MEANS), "it has not a mean for every context")
        kept = Kept(f"states-{ENCODER}-{self.manifest.fingerprint}")
        return States(self.rows, self.manifest.length, stored, kept, means)

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return self.manifest.n_features

    @functools.cached_property
    def indices(self) -> IntArray:
        """[n_features] the index of every feature, ascending; without gaps where the whole dictionary is here."""
        return np.asarray(self.summary["index"])

    def density(self) -> NDArray[np.float64]:
        """[n_features] the share of tokens on which each feature is active; NaN where nobody says."""
        return np.asarray(self.summary["density"])

    def firing_contexts(self) -> IntArray:
        """[n_features, n_splits] in how many contexts each fires: of the corpus, or at hand where nobody counted."""
        return np.asarray(self.summary["contexts"])

    def check_index(self, index: int) -> int:
        """The index itself; InputError where there is no such feature."""
        self.place(index)
        return index

    def place(self, index: int) -> int:
        """Where a feature stands among those that are here; InputError where it is not."""
        indices = self.indices
        at = int(np.searchsorted(indices, index))
        if at == len(indices) or indices[at] != index:
            last = int(indices[-1])
            gaps = f" ({len(indices):,} of them, not all)" if last >= len(indices) else ""
            raise InputError(
                f"feature {index} is out of range: '{self.manifest.name}' has features {indices[0]} to {last}{gaps}"
            )
        return at

    def pool(self, split: Split) -> IntArray:
        """The rows of the uniform pool's contexts in one split; none where evidence came without one."""
        return self.rows.pool[split]

    def material(self, rows: Sequence[int] | IntArray) -> Material:
        """Contexts as a simulator may see them, by their rows."""
        return Material(self, np.asarray(rows, dtype=np.int64))

    def _shard(self, place: int) -> tuple[Tensors, int]:
        place = int(self.summary["at"][place])
        number = int(np.searchsorted(self._first, place, side="right")) - 1
        if number not in self._features:
            with self._lock:
                if number not in self._features:
                    self._features[number] = self._opened(self.manifest.shards[number])
        return self._features[number], place - int(self._first[number])

    def read(self, index: int) -> Reading:
        """What lies here of one feature, as arrays; InputError where there is no such feature."""
        shard, at = self._shard(self.place(index))
        begin, end = shard["offsets"][at : at + 2].tolist()
        first, last = shard["starts"][at : at + 2].tolist()
        contexts = shard["context"][begin:end].astype(np.int64)
        dense = np.zeros((len(contexts), self.manifest.length), dtype=np.float32)
        row = np.repeat(np.arange(len(contexts)), shard["count"][begin:end])
        dense[row, shard["position"][first:last]] = shard["value"][first:last]
        return Reading(
            contexts=contexts,
            n_sampled=int(shard["sampled"][at]),
            lengths=self.rows.column("lengths", contexts),
            activations=dense,
        )

    def evidence(self, index: int) -> Evidence:
        """All that is known about one feature; InputError where there is no such feature or a number is not finite."""
        place = self.place(index)
        shard, at = self._shard(place)
        found = self.read(index)
        maximum = found.activations.max(axis=1, initial=0.0)
        split = self.rows.split[found.contexts]
        contexts = tuple(
            Context(
                id=int(found.contexts[i]),
                document=self.rows.document(int(found.contexts[i])),
                split=SPLITS[int(split[i])],
                tokens=self.rows.strings(int(found.contexts[i])),
                activations=found.activations[i, : int(found.lengths[i])],
            )
            for i in np.argsort(-maximum, kind="stable")
            if maximum[i] > 0
        )
        density = float(self.summary["density"][place])
        return Evidence(
            dictionary=self.manifest.name,
            index=index,
            statistics=Statistics(
                n_tokens=self.manifest.n_tokens,
                n_firing=int(self.summary["firing"][place]),
                density=None if np.isnan(density) else density,
                max_activation=float(self.summary["maximum"][place]),
                histogram=np.asarray(shard["histogram"][at]),
            ),
            contexts=contexts,
            population=np.asarray(shard["population"][at], dtype=np.int64),
            promoted=self._tokens(shard, "promoted", at),
            suppressed=self._tokens(shard, "suppressed", at),
            near_duplicates=self.near_duplicates(index),
            nearest=self.nearest(index),
        )

    def _tokens(self, shard: Tensors, which: str, at: int) -> tuple[tuple[str, float], ...]:
        ids, values = shard[which][at], shard[f"{which}_logits"][at]
        return tuple((self.vocabulary[int(i)], float(v)) for i, v in zip(ids, values, strict=True) if i >= 0)

    def near_duplicates(self, index: int) -> tuple[int, ...]:
        """The other features of its group: those that point, or fire, almost as it does."""
        place = self.place(index)
        group = self._neighbours["group"]
        if group[place] < 0:
            return ()
        return tuple(int(self.indices[at]) for at in np.flatnonzero(group == group[place]) if at != place)

    def nearest(self, index: int) -> tuple[tuple[int, float], ...]:
        """The closest features, closest first, with how close they are."""
        place = self.place(index)
        near, closeness = self._neighbours["nearest"][place], self._neighbours["closeness"][place]
        return tuple((int(self.indices[at]), float(c)) for at, c in zip(near, closeness, strict=True) if at >= 0)

    def frame(self, index: int, split: Split) -> Frame:
        """What a score may be made on: the sampled contexts of one split and the silent ones of the pool, with weights.

        Where nobody counted the corpus, every context at hand stands for itself.
        """
        shard, at = self._shard(self.place(index))
        begin = int(shard["offsets"][at])
        found = self.read(index)
        here = self.rows.split[found.contexts] == SPLITS.index(split)
        used = np.flatnonzero(here[: found.n_sampled])
        silent = np.setdiff1d(self.pool(split), found.contexts[here], assume_unique=True)

        contexts = np.r_[found.contexts[used], silent]
        truth = np.concatenate([found.activations[used], np.zeros((len(silent), self.manifest.length), np.float32)])
        stratum = strata(truth.max(axis=1, initial=0.0))
        if "weight" in shard:
            weight = shard["weight"][begin + used].astype(np.float64)
        else:
            population = np.asarray(shard["population"][at, SPLITS.index(split)], dtype=np.float64)
            at_hand = np.bincount(stratum, minlength=len(population))
            with np.errstate(divide="ignore", invalid="ignore"):
                weight = np.where(at_hand > 0, population / at_hand, 0.0)[stratum]
        return Frame(
            contexts=contexts,
            truth=truth,
            lengths=self.rows.column("lengths", contexts).astype(np.int64),
            stratum=stratum,
            weight=weight,
        )
