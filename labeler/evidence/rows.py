"""The contexts of a store: many tables that read as one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.contexts import Contexts
from labeler.evidence.tensors import DamagedFileError, Tensors
from labeler.features import SPLITS, IntArray, Split


class Rows:
    """Contexts by their row in the store; a table is opened when one of its rows is first looked at."""

    def __init__(self, open_table: Callable[[int], Tensors], sizes: Sequence[int]) -> None:
        self._open = open_table
        self._first = np.cumsum([0, *sizes])
        self._tables: dict[int, tuple[Contexts, Tensors]] = {}

    def __len__(self) -> int:
        return int(self._first[-1])

    def _table(self, number: int) -> tuple[Contexts, Tensors]:
        if number not in self._tables:
            file = self._open(number)
            table = Contexts.load(file)
            n = int(self._first[number + 1] - self._first[number])
            fits = (
                all(
                    len(file[name]) == n
                    for name in ("ordinal", "tokens", "lengths", "ends", "document", "split", "pool")
                )
                and len(table.text_start) == n + 1
                and int(table.text_start[-1]) == len(table.text)
                and int(table.lengths.max(initial=0)) <= table.tokens.shape[1]
                and int(table.document.max(initial=0)) < max(1, len(table.documents))
            )
            if not fits:
                raise DamagedFileError(file.path, "its arrays do not fit each other")
            self._tables[number] = table, file
        return self._tables[number]

    def _find(self, row: int) -> tuple[Contexts, int]:
        number = int(np.searchsorted(self._first, row, side="right")) - 1
        return self._table(number)[0], row - int(self._first[number])

    def column(self, name: str, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """A column (``tokens``, ``lengths``, ``ends``, ``split``, ``ordinal``) of some contexts: [n, …]."""
        if len(self._first) == 2 or not len(rows):
            return np.asarray(self._table(0)[1][name][rows])
        number = np.searchsorted(self._first, rows, side="right") - 1
        parts = np.unique(number).tolist()
        if len(parts) == 1:
            return np.asarray(self._table(parts[0])[1][name][rows - self._first[parts[0]]])
        first = self._table(parts[0])[1][name]
        found = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
        for part in parts:
            here = number == part
            found[here] = self._table(part)[1][name][rows[here] - self._first[part]]
        return found

    def whole(self, name: str) -> NDArray[Any]:
        """A column of all contexts."""
        return np.concatenate([self._table(number)[1][name] for number in range(len(self._first) - 1)])

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
    def pool_place(self) -> NDArray[np.int32]:
        """[n] the place of every context in the pool; -1 outside."""
        pool = self.whole("pool")
        return np.where(pool, np.cumsum(pool) - 1, -1).astype(np.int32)

    @functools.cached_property
    def pool(self) -> dict[Split, IntArray]:
        """The rows of the uniform pool by split."""
        return {name: np.flatnonzero((self.pool_place >= 0) & (self.split == at)) for at, name in enumerate(SPLITS)}
