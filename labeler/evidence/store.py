"""Evidence at rest: one folder a dictionary, memory-mapped, one feature's evidence in microseconds.

manifest.json                       what it was collected from, sizes, checksums
contexts.{tokens,lengths,…}.npy     [n_contexts, …] every context that is kept, each once
pairs.{offsets,context,…}.npy       which features fire in which contexts, by feature (CSR)
active.{position,value}.npy         their activations on single tokens, by pair (CSR)
features.*.npy                      [n_features, …] statistics, population counts, promoted tokens, neighbours
vocabulary.json, documents.json     strings
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.features import SPLITS, Context, Evidence, Frame, IntArray, Split, Statistics

FORMAT = 1
"""The version of this layout."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a store says of itself."""

    format: int
    name: str
    model: str
    hook: str
    dictionary: str
    """The folder or name that the weights came from."""
    corpus: str
    corpus_fingerprint: str
    n_features: int
    n_tokens: int
    n_contexts: int
    """Contexts of the corpus."""
    n_kept: int
    """Contexts in the store."""
    n_pool: int
    """Contexts of the uniform pool."""
    length: int
    """Tokens in a context, at most."""
    created: str
    labeler: str
    files: dict[str, str]
    """SHA-256 of every other file."""

    @property
    def fingerprint(self) -> str:
        """What identifies this evidence in a label's provenance."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Material:
    """Contexts without activations: what a simulator may see."""

    store: EvidenceStore
    rows: IntArray
    """[n] rows of the store."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def length(self) -> int:
        """Tokens in a context, at most."""
        return self.store.manifest.length

    @property
    def ids(self) -> NDArray[np.int32]:
        """[n, length] token ids, -1 behind a context's end."""
        return np.asarray(self.store["contexts.tokens"][self.rows])

    def tokens(self) -> list[tuple[str, ...]]:
        """The token strings of each context."""
        return [self.store.strings(int(row)) for row in self.rows]

    def states(self) -> NDArray[np.float16]:
        """[n, length, width] the encoder's unit vector of every token."""
        return np.asarray(self.store["contexts.states"][self.rows])


class EvidenceStore:
    """Reads one dictionary's evidence; every method is safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where the folder holds no evidence of this format."""
        self.folder = folder
        try:
            raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            self.manifest = Manifest(**raw)
        except FileNotFoundError as error:
            raise InputError(f"no evidence at '{folder}'; `labeler dictionaries` lists what is here") from error
        except (json.JSONDecodeError, TypeError) as error:
            raise InputError(f"{folder / 'manifest.json'}: not a manifest of this format ({error})") from error
        if self.manifest.format != FORMAT:
            raise InputError(f"{folder}: evidence of format {self.manifest.format}, this version reads {FORMAT}")

    @functools.cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {}
        for file in self.manifest.files:
            if file.endswith(".npy"):
                try:
                    arrays[file.removesuffix(".npy")] = np.load(self.folder / file, mmap_mode="r", allow_pickle=False)
                except (OSError, ValueError) as error:
                    raise InputError(f"{self.folder / file}: missing or damaged ({error}); collect it again") from error
        return arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        """An array of the store by its file's name, memory-mapped."""
        return self._arrays[name]

    @functools.cached_property
    def vocabulary(self) -> list[str]:
        """Token strings by id."""
        return list(json.loads((self.folder / "vocabulary.json").read_text(encoding="utf-8")))

    @functools.cached_property
    def _documents(self) -> list[str]:
        return list(json.loads((self.folder / "documents.json").read_text(encoding="utf-8")))

    @functools.cached_property
    def _pool(self) -> dict[Split, IntArray]:
        pool, split = np.asarray(self["contexts.pool"]), np.asarray(self["contexts.split"])
        return {name: np.flatnonzero(pool & (split == at)) for at, name in enumerate(SPLITS)}

    @property
    def n_features(self) -> int:
        """How many features the dictionary has."""
        return self.manifest.n_features

    def density(self) -> NDArray[np.float64]:
        """[n_features] the share of tokens on which each feature is active."""
        return np.asarray(self["features.firing"], dtype=np.float64) / self.manifest.n_tokens

    def firing_contexts(self) -> IntArray:
        """[n_features, n_splits] how many contexts of the corpus each feature fires in."""
        return np.asarray(self["features.population"])[:, :, 1:].sum(axis=2)

    def check_index(self, index: int) -> int:
        """The index itself; InputError where it is out of range."""
        if not 0 <= index < self.n_features:
            raise InputError(
                f"feature {index} is out of range: '{self.manifest.name}' has features 0 to {self.n_features - 1}"
            )
        return index

    def pool(self, split: Split) -> IntArray:
        """The rows of the uniform pool's contexts in one split."""
        return self._pool[split]

    def strings(self, row: int) -> tuple[str, ...]:
        """The tokens of a context, by its row."""
        begin, end = self["contexts.text_start"][row : row + 2]
        text = self["contexts.text"][begin:end].tobytes().decode("utf-8", "surrogatepass")
        ends = self["contexts.ends"][row, : self["contexts.lengths"][row]].tolist()
        return tuple(text[a:b] for a, b in itertools.pairwise([0, *ends]))

    def document(self, row: int) -> str:
        """The document of a context, by its row."""
        return self._documents[int(self["contexts.document"][row])]

    def material(self, rows: Sequence[int] | IntArray) -> Material:
        """Contexts as a simulator may see them, by their rows."""
        return Material(self, np.asarray(rows, dtype=np.int64))

    def _pairs(self, index: int) -> slice:
        offsets = self["pairs.offsets"]
        return slice(int(offsets[index]), int(offsets[index + 1]))

    def _activations(self, pairs: IntArray) -> NDArray[np.float32]:
        """The activations of some pairs, dense: [n, length]."""
        dense = np.zeros((len(pairs), self.manifest.length), dtype=np.float32)
        starts, position, value = self["pairs.start"], self["active.position"], self["active.value"]
        for row, pair in enumerate(pairs):
            span = slice(int(starts[pair]), int(starts[pair + 1]))
            dense[row, position[span]] = value[span]
        return dense

    def evidence(self, index: int) -> Evidence:
        """All that is known about one feature; InputError where the index is out of range or a number is not finite."""
        self.check_index(index)
        span = self._pairs(index)
        rows = np.asarray(self["pairs.context"][span], dtype=np.int64)
        dense = self._activations(np.arange(span.start, span.stop))
        order = np.argsort(-dense.max(axis=1, initial=0.0), kind="stable")
        contexts = tuple(
            Context(
                id=int(rows[i]),
                document=self.document(rows[i]),
                split=SPLITS[int(self["contexts.split"][rows[i]])],
                tokens=self.strings(rows[i]),
                activations=dense[i, : int(self["contexts.lengths"][rows[i]])],
            )
            for i in order
        )
        return Evidence(
            dictionary=self.manifest.name,
            index=index,
            statistics=Statistics(
                n_tokens=self.manifest.n_tokens,
                n_firing=int(self["features.firing"][index]),
                max_activation=float(self["features.maximum"][index]),
                histogram=np.asarray(self["features.histogram"][index], dtype=np.int64),
            ),
            contexts=contexts,
            population=np.asarray(self["features.population"][index], dtype=np.int64),
            promoted=self._tokens("promoted", index),
            suppressed=self._tokens("suppressed", index),
            near_duplicates=self.near_duplicates(index),
        )

    def _tokens(self, which: str, index: int) -> tuple[tuple[str, float], ...]:
        ids, values = self[f"features.{which}"][index], self[f"features.{which}_logits"][index]
        return tuple((self.vocabulary[int(i)], float(v)) for i, v in zip(ids, values, strict=True))

    def near_duplicates(self, index: int) -> tuple[int, ...]:
        """The features whose decoder direction is almost this one's."""
        return tuple(int(i) for i in self["features.near"][index] if i >= 0)

    def frame(self, index: int, split: Split) -> Frame:
        """The probability sample of one split for one feature: its reservoirs and the silent contexts of the pool."""
        self.check_index(index)
        at = SPLITS.index(split)
        span = self._pairs(index)
        rows = np.asarray(self["pairs.context"][span], dtype=np.int64)
        here = np.asarray(self["contexts.split"])[rows] == at
        used = here & np.asarray(self["pairs.sampled"][span])
        pairs = np.flatnonzero(used) + span.start
        silent = np.setdiff1d(self._pool[split], rows[here], assume_unique=True)
        firing_truth = self._activations(pairs)

        contexts = np.r_[rows[used], silent]
        stratum = np.r_[np.asarray(self["pairs.stratum"][pairs], dtype=np.int64), np.zeros(len(silent), dtype=np.int64)]
        population = np.asarray(self["features.population"][index, at], dtype=np.float64)
        at_hand = np.bincount(stratum, minlength=len(population))
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(at_hand > 0, population / at_hand, 0.0)[stratum]
        return Frame(
            contexts=contexts,
            truth=np.concatenate([firing_truth, np.zeros((len(silent), self.manifest.length), dtype=np.float32)]),
            lengths=np.asarray(self["contexts.lengths"])[contexts].astype(np.int64),
            stratum=stratum,
            weight=weight,
        )
