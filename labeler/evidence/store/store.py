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

import copy
import functools
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence.copies import LEFT_OUT, joined
from labeler.evidence.sampling import number_of, strata
from labeler.evidence.splits import Deal, Passages, deal, is_dealt
from labeler.evidence.store.cache import Kept, kept_folder
from labeler.evidence.store.contexts import Rows, Tables
from labeler.evidence.store.lexicon import WORDS, Lexicon, lexicon_of, places_file, write_lexicon
from labeler.evidence.store.manifest import Shard
from labeler.evidence.store.states import MEANS, States
from labeler.evidence.store.storage import DamagedFileError, Shelf, Tensors, rising
from labeler.evidence.store.word_vectors import VECTORS, WordVectors
from labeler.features import SPLITS, Context, Evidence, FloatArray, Frame, IntArray, Split, Splits, Statistics
from labeler.models.names import ENCODER

SUMMARY = "summary.safetensors"
NEIGHBOURS = "neighbours.safetensors"
VOCABULARY = "vocabulary.json"

DEALS = 4_096
"""Features whose deals are remembered."""


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
        self._deals: dict[int, Deal | None] = {}
        self._echoes: dict[int, IntArray] = {}
        self._fold: int | None = None
        self._base: EvidenceStore | None = None
        self._folds: dict[int, EvidenceStore] = {}
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
        return Material(self.whole, np.asarray(rows, dtype=np.int64))

    def _shard(self, place: int) -> tuple[Tensors, int]:
        place = int(self.summary["at"][place])
        number = int(np.searchsorted(self._first, place, side="right")) - 1
        return self._file(number), place - int(self._first[number])

    def _file(self, number: int) -> Tensors:
        if number not in self._features:
            with self._lock:
                if number not in self._features:
                    self._features[number] = self._opened(self.manifest.shards[number])
        return self._features[number]

    @property
    def whole(self) -> EvidenceStore:
        """The store that this is a fold of, or itself."""
        return self._base or self

    def fold(self, half: int) -> EvidenceStore:
        """The same evidence, where a feature that has ``halves`` is explained by one of them, 0 or 1, and scored on the
        other; of all other features nothing changes."""
        if half not in self.whole._folds:
            other = copy.copy(self.whole)
            other._base, other._fold = self.whole, half
            self.whole._folds[half] = other
        return self.whole._folds[half]

    def halves(self, index: int) -> bool:
        """Whether a feature fires in so few documents that it is labelled and scored by halves (``dealing``).

        Outside of a fold all its firing contexts are there to be explained, and none to be scored.
        """
        found = self._deal(index)
        return found is not None and found.halves

    def half_of(self, index: int, contexts: Sequence[int]) -> int | None:
        """The half of a feature's documents that holds all of these firing contexts; None where neither does."""
        found = self._deal(index)
        if found is None or not found.halves or not len(contexts):
            return None
        document = self.rows.documents[np.asarray(contexts, dtype=np.int64)]
        purpose = {int(d): int(p) for d, p in zip(found.documents, found.purpose, strict=True)}
        halves = {purpose.get(int(d)) for d in document}
        return halves.pop() if len(halves) == 1 else None

    def is_dealt(self, index: int) -> bool:
        """Whether the documents of a feature are dealt, and so serve every purpose as far as there are any."""
        return self.manifest.splits == "dealt" and is_dealt(*self._documents_of(self.read(index)))

    def served(self, index: int) -> set[Split]:
        """The purposes for which a feature has firing contexts; of one by halves as its first half is explained."""
        found = self.read(index)
        firing = found.contexts[found.activations.any(axis=1)]
        splits, deal = self.rows.split[firing], self._deal(index)
        if deal is not None:
            splits = deal.split(self.rows.documents[firing], splits, 0 if deal.halves else None)
        return {SPLITS[at] for at in splits.tolist()}

    def _deal(self, index: int) -> Deal | None:
        if self.manifest.splits == "document":
            return None
        if index not in self._deals:
            found = self.read(index)
            document, maximum = self._documents_of(found)
            if len(self._deals) >= DEALS:
                self._deals.clear()
            self._deals[index] = self._dealt(found.contexts, document, maximum) if is_dealt(document, maximum) else None
        return self._deals[index]

    def _documents_of(self, found: Reading) -> tuple[IntArray, FloatArray]:
        """Of a feature's contexts the document and the strongest activation: [n] each."""
        return self.rows.documents[found.contexts], found.activations.max(axis=1, initial=0.0)

    def _dealt(self, contexts: IntArray, document: IntArray, maximum: FloatArray) -> Deal | None:
        """Documents that share a passage are dealt as one: the first of them."""
        one = joined([self.rows.string(int(row)) for row in contexts], document)
        names, at = np.unique(one, return_inverse=True)
        first = dict(zip(document.tolist(), contexts.tolist(), strict=True))
        number = np.array([number_of(self.rows.document(first[name])) for name in names.tolist()])
        found = deal(one, number[at], maximum)
        if found is None:
            return None
        documents, at = np.unique(document, return_index=True)
        return replace(found, documents=documents, purpose=found.purpose[np.searchsorted(found.documents, one[at])])

    def splits(self, index: int) -> NDArray[np.uint8]:
        """[n_kept] the split of every context where this feature is concerned, as a position in ``SPLITS``; LEFT_OUT for
        silent ones that share a passage with what was dealt to another purpose."""
        found = self._deal(index)
        by_hash = self.rows.split
        if found is None:
            return by_hash
        splits = found.split(self.rows.documents, by_hash, self._fold)
        splits[self._echoing(index, found)] = LEFT_OUT
        return splits

    @functools.cached_property
    def _passages(self) -> Passages:
        return Passages(self.rows, self.rows.in_pool)

    def _echoing(self, index: int, found: Deal) -> IntArray:
        if index not in self._echoes:
            reading = self.read(index)
            purpose, dealt = found.purposes(self.rows.documents, self.rows.split)
            rows = self.whole._passages.at_odds(purpose, dealt, reading.contexts)
            firing = reading.contexts[reading.activations.any(axis=1)]
            if len(self._echoes) >= DEALS:
                self._echoes.clear()
            self._echoes[index] = np.setdiff1d(rows, firing)
        return self._echoes[index]

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
        split = self.splits(index)[found.contexts]
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
            scale=float(self.summary["maximum"][place]) or None if self.manifest.splits == "dealt" else None,
            population=np.asarray(shard["population"][at], dtype=np.int64),
            promoted=self._tokens(shard, "promoted", at),
            suppressed=self._tokens(shard, "suppressed", at),
            lens=self.manifest.lens,
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

    def frame(self, index: int, splits: Split | Splits) -> Frame:
        """What a score may be made on: the sampled contexts of some splits and the silent ones of the pool, with weights.

        Where nobody counted the corpus, every context at hand stands for itself; else for its share of all that the split
        in which it was sampled has in its stratum, which a frame of several splits keeps apart in ``stratum``.
        """
        wanted: Splits = (splits,) if isinstance(splits, str) else splits
        if wanted == ("select",) and self.halves(index):
            wanted = ("explain",)  # a half serves both
        shard, at = self._shard(self.place(index))
        found = self.read(index)
        by_hash, among = self.rows.split, np.isin(self.splits(index), [SPLITS.index(split) for split in wanted])
        sampled = found.contexts[: found.n_sampled]
        stratum = strata(found.activations[: found.n_sampled].max(axis=1, initial=0.0))
        silent = np.setdiff1d(self.rows.in_pool, found.contexts, assume_unique=True)
        cells = by_hash[sampled].astype(np.int64), by_hash[silent].astype(np.int64)
        weight, for_silent = self._weights(shard, at, cells[0], stratum, cells[1])
        used, unused = np.flatnonzero(among[sampled]), np.flatnonzero(among[silent])
        if self._deal(index) is not None and self.manifest.sampling == "population":
            weight = weight * _evened(weight, stratum > 0, used, for_silent, unused)
        if len(wanted) > 1 and "weight" not in shard:  # neighbours are still neighbours in strength
            stratum = np.where(stratum > 0, (stratum - 1) * len(SPLITS) + cells[0] + 1, 0)
        contexts = np.r_[sampled[used], silent[unused]]
        length = self.manifest.length
        return Frame(
            contexts=contexts,
            truth=np.concatenate([found.activations[used], np.zeros((len(unused), length), np.float32)]),
            lengths=self.rows.column("lengths", contexts).astype(np.int64),
            stratum=np.r_[stratum[used], np.zeros(len(unused), dtype=np.int64)],
            weight=np.r_[weight[used], for_silent[unused]],
        )

    def _weights(
        self, shard: Tensors, at: int, split: IntArray, stratum: IntArray, silent: IntArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the sampled contexts and the pool's silent ones stand for, by the splits that they were sampled in."""
        if "weight" in shard:
            begin = int(shard["offsets"][at])
            return shard["weight"][begin : begin + len(split)].astype(np.float64), np.ones(len(silent))
        population = np.asarray(shard["population"][at], dtype=np.float64)
        at_hand = np.zeros(population.shape)
        np.add.at(at_hand, (split, stratum), 1)
        np.add.at(at_hand[:, 0], silent, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(at_hand > 0, population / at_hand, 0.0)
        return each[split, stratum], each[silent, 0]


def _evened(
    weight: NDArray[np.float64],
    fires: NDArray[np.bool_],
    used: IntArray,
    silent: NDArray[np.float64],
    unused: IntArray,
) -> NDArray[np.float64]:
    """[n] what the weights of sampled contexts are multiplied by, so that a dealt split has its part of both.

    Documents that were dealt are not the share of all that the split's silence is: without this a feature would look
    rarer, or more frequent, than it is.
    """
    quiet, loud = silent.sum() + weight[~fires].sum(), weight[fires].sum()
    of_quiet = silent[unused].sum() + weight[used][~fires[used]].sum()
    of_loud = weight[used][fires[used]].sum()
    if not (quiet and loud and of_quiet and of_loud):
        return np.ones(len(weight))
    return np.where(fires, (of_quiet / quiet) / (of_loud / loud), 1.0)
