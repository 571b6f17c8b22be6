"""Files of consecutive rows that read as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.tensors import Tensors
from labeler.features import IntArray


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
