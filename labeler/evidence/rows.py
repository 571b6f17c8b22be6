"""The contexts of a store: many tables that read as one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.contexts import Contexts
from labeler.evidence.tables import Tables
from labeler.evidence.tensors import DamagedFileError, Tensors
from labeler.features import SPLITS, IntArray, Split


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
