"""A table of contexts: their tokens, their text, and the document that each was cut from."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.sampling import split_of
from labeler.evidence.tensors import packed, unpacked
from labeler.features import IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Contexts:
    """Contexts of one corpus in its order, each with its place there: the *ordinal* decides its permanent number."""

    ordinal: IntArray
    """[n] ascending."""
    tokens: NDArray[np.int32]
    """[n, length], -1 behind a context's end."""
    lengths: NDArray[np.uint8]
    """[n]"""
    ends: NDArray[np.uint16]
    """[n, length] where in its context's text each token ends, in characters."""
    text: NDArray[np.uint8]
    """The contexts' texts one after the other, UTF-8."""
    text_start: IntArray
    """[n + 1] where in ``text`` each begins, in bytes."""
    document: NDArray[np.int32]
    """[n] each context's place in ``documents``."""
    documents: Sequence[str]
    split: NDArray[np.uint8]
    """[n] as a position in ``SPLITS``."""

    def __len__(self) -> int:
        return len(self.ordinal)

    @classmethod
    def of(
        cls,
        *,
        first: int,
        tokens: Sequence[Sequence[int] | NDArray[np.integer[Any]]],
        ends: Sequence[Sequence[int] | NDArray[np.integer[Any]]],
        texts: Sequence[str],
        documents: Sequence[str],
        splits: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        length: int,
    ) -> Contexts:
        """Consecutive contexts of a corpus from ordinal ``first`` on; ``documents`` [n] names each one's source.

        ``splits`` [n] are theirs; those of the documents' names, where nothing else is known of them.
        """
        n = len(tokens)
        lengths = np.array([len(ids) for ids in tokens], dtype=np.uint8)
        filled = np.arange(length) < lengths[:, None]
        ids = np.full((n, length), -1, dtype=np.int32)
        stops = np.zeros((n, length), dtype=np.uint16)
        if n:
            ids[filled] = np.concatenate(tokens)
            stops[filled] = np.minimum(np.concatenate(ends), 65_535)
        encoded = [text.encode("utf-8", "replace") for text in texts]
        place: dict[str, int] = {}
        if splits is None:
            by_name = {name: split_of(name) for name in set(documents)}
            splits = [by_name[name] for name in documents]
        return cls(
            ordinal=np.arange(first, first + n),
            tokens=ids,
            lengths=lengths,
            ends=stops,
            text=np.frombuffer(b"".join(encoded), dtype=np.uint8),
            text_start=np.cumsum([0, *map(len, encoded)], dtype=np.int64),
            document=np.array([place.setdefault(name, len(place)) for name in documents], dtype=np.int32),
            documents=list(place),
            split=np.asarray(splits, dtype=np.uint8),
        )

    @property
    def n_tokens(self) -> int:
        """How many tokens they hold."""
        return int(self.lengths.sum(dtype=np.int64))

    def string(self, row: int) -> str:
        """The text of a context."""
        begin, end = self.text_start[row : row + 2].tolist()
        return self.text[begin:end].tobytes().decode("utf-8", "replace")

    def names(self) -> list[str]:
        """The document of every context."""
        return [self.documents[at] for at in self.document.tolist()]

    def texts(self) -> list[str]:
        """The text of every context."""
        return [self.string(row) for row in range(len(self))]

    def strings(self, row: int) -> tuple[str, ...]:
        """The tokens of a context."""
        text = self.string(row)
        ends = self.ends[row, : self.lengths[row]].tolist()
        return tuple(text[a:b] for a, b in itertools.pairwise([0, *ends]))

    def take(self, rows: IntArray) -> Contexts:
        """Some of them, by ascending row."""
        sizes = np.diff(self.text_start)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        source = np.repeat(self.text_start[:-1][rows] - starts[:-1], sizes) + np.arange(starts[-1])
        used, document = np.unique(self.document[rows], return_inverse=True)
        return Contexts(
            ordinal=self.ordinal[rows],
            tokens=self.tokens[rows],
            lengths=self.lengths[rows],
            ends=self.ends[rows],
            text=self.text[source],
            text_start=starts,
            document=document.astype(np.int32),
            documents=[self.documents[i] for i in used],
            split=self.split[rows],
        )

    @staticmethod
    def concatenate(parts: Sequence[Contexts]) -> Contexts:
        """Several tables of ascending ordinals as one."""
        place: dict[str, int] = {}
        document = [
            np.array([place.setdefault(name, len(place)) for name in part.documents], dtype=np.int32)[part.document]
            for part in parts
        ]
        base = np.cumsum([0, *(part.text_start[-1] for part in parts)])
        start = [part.text_start[:-1] + shift for part, shift in zip(parts, base, strict=False)]
        return Contexts(
            ordinal=np.concatenate([part.ordinal for part in parts]),
            tokens=np.concatenate([part.tokens for part in parts]),
            lengths=np.concatenate([part.lengths for part in parts]),
            ends=np.concatenate([part.ends for part in parts]),
            text=np.concatenate([part.text for part in parts]),
            text_start=np.concatenate([*start, base[-1:]]),
            document=np.concatenate(document),
            documents=list(place),
            split=np.concatenate([part.split for part in parts]),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As the arrays of a file."""
        plain = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return {**plain, "documents": packed(list(self.documents))}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Contexts:
        """Out of a file's arrays."""
        names = ("ordinal", "tokens", "lengths", "ends", "text", "text_start", "document", "split")
        return cls(**{name: arrays[name] for name in names}, documents=Names(arrays["documents"]))


class Names(Sequence[str]):
    """Strings of a file, unpacked when the first is looked at."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self._array = array

    @functools.cached_property
    def _strings(self) -> list[str]:
        return unpacked(self._array)

    def __len__(self) -> int:
        return len(self._strings)

    def __getitem__(self, at: Any) -> Any:
        return self._strings[at]
