"""The table of contexts: their tokens, their text, and the document that each was cut from; read row by row, or whole."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.sampling import split_of
from labeler.evidence.store.storage import DamagedFileError, Tensors, packed, unpacked
from labeler.features import SPLITS, IntArray, Split


class Tables:
    """Columns by row over many files; a file is opened when one of its rows is first looked at."""

    def __init__(self, open_file: Callable[[int], Tensors], sizes: Sequence[int]) -> None:
        """``open_file`` opens (and checks) the file of a number, ``sizes`` are the rows of each."""
        self._open = open_file
        self.first = np.cumsum([0, *sizes])
        """[n_files + 1] the first row of each file, and the number of all rows."""
        self._files: dict[int, Tensors] = {}

    def __len__(self) -> int:
        return int(self.first[-1])

    def file(self, number: int) -> Tensors:
        """One of the files."""
        if number not in self._files:
            self._files[number] = self._open(number)
        return self._files[number]

    def find(self, row: int) -> tuple[int, int]:
        """The number of the file that holds a row, and the row's place there."""
        number = int(np.searchsorted(self.first, row, side="right")) - 1
        return number, row - int(self.first[number])

    def by_file(self, rows: NDArray[np.integer[Any]]) -> list[tuple[int, IntArray, IntArray]]:
        """Rows by the file that holds them: its number, their places in ``rows``, their places in the file."""
        if not len(rows):
            return []
        if len(self.first) == 2:
            return [(0, np.arange(len(rows)), np.asarray(rows, dtype=np.int64))]
        number = np.searchsorted(self.first, rows, side="right") - 1
        parts = []
        for part in np.unique(number).tolist():
            here = np.flatnonzero(number == part)
            parts.append((part, here, np.asarray(rows[here] - self.first[part], dtype=np.int64)))
        return parts

    def column(self, name: str, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """A column of some rows: [n, …]."""
        parts = self.by_file(rows)
        if not parts:
            return np.asarray(self.file(0)[name][:0])
        if len(parts) == 1:
            return np.asarray(self.file(parts[0][0])[name][parts[0][2]])
        first = self.file(parts[0][0])[name]
        found = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
        for number, here, at in parts:
            found[here] = self.file(number)[name][at]
        return found

    def whole(self, name: str) -> NDArray[Any]:
        """A column of all rows."""
        return np.concatenate([self.file(number)[name] for number in range(len(self.first) - 1)])


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


class Rows:
    """Contexts by their row in the store; a table is opened when one of its rows is first looked at."""

    def __init__(self, open_table: Callable[[int], Tensors], sizes: Sequence[int]) -> None:
        self._files = Tables(lambda number: _checked(open_table(number), sizes[number]), sizes)
        self._sizes = sizes
        self._tables: dict[int, Contexts] = {}

    def __len__(self) -> int:
        return len(self._files)

    def _find(self, row: int) -> tuple[Contexts, int]:
        number, at = self._files.find(row)
        return self._table(number), at

    def _table(self, number: int) -> Contexts:
        if number not in self._tables:
            self._tables[number] = Contexts.load(self._files.file(number))
        return self._tables[number]

    def column(self, name: str, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """A column (``tokens``, ``lengths``, ``ends``, ``split``, ``ordinal``) of some contexts: [n, …]."""
        return self._files.column(name, rows)

    def whole(self, name: str) -> NDArray[Any]:
        """A column of all contexts."""
        return self._files.whole(name)

    def string(self, row: int) -> str:
        """The text of a context."""
        table, at = self._find(row)
        return table.string(at)

    def strings(self, row: int) -> tuple[str, ...]:
        """The tokens of a context."""
        table, at = self._find(row)
        return table.strings(at)

    def document(self, row: int) -> str:
        """The document of a context."""
        table, at = self._find(row)
        return str(table.documents[int(table.document[at])])

    @functools.cached_property
    def split(self) -> NDArray[np.uint8]:
        """[n] the split of every context, as a position in ``SPLITS``."""
        return self.whole("split")

    @functools.cached_property
    def documents(self) -> IntArray:
        """[n] a number for every context's document, the same wherever it has the same name."""
        known: dict[str, int] = {}
        found = []
        for number, size in enumerate(self._sizes):
            table = self._table(number)
            ids = np.array([known.setdefault(name, len(known)) for name in table.documents], dtype=np.int64)
            found.append(ids[table.document] if size else np.zeros(0, dtype=np.int64))
        return np.concatenate(found)

    @functools.cached_property
    def pool_place(self) -> NDArray[np.int32]:
        """[n] the place of every context in the pool; -1 outside."""
        pool = self.whole("pool")
        return np.where(pool, np.cumsum(pool) - 1, -1).astype(np.int32)

    @functools.cached_property
    def in_pool(self) -> IntArray:
        """The rows of the uniform pool."""
        return np.flatnonzero(self.pool_place >= 0)

    @functools.cached_property
    def pool(self) -> dict[Split, IntArray]:
        """The rows of the uniform pool by split."""
        return {name: np.flatnonzero((self.pool_place >= 0) & (self.split == at)) for at, name in enumerate(SPLITS)}


def _checked(file: Tensors, n: int) -> Tensors:
    table = Contexts.load(file)
    fits = (
        all(len(file[name]) == n for name in ("ordinal", "tokens", "lengths", "ends", "document", "split", "pool"))
        and len(table.text_start) == n + 1
        and int(table.text_start[-1]) == len(table.text)
        and int(table.lengths.max(initial=0)) <= table.tokens.shape[1]
        and int(table.document.max(initial=0)) < max(1, len(table.documents))
    )
    if not fits:
        raise DamagedFileError(file.path, "its arrays do not fit each other")
    return file
