"""Contexts that share a passage though a feature's deal gives them to different purposes.

By their hashes no split has a passage of another (``copies``), but documents that a feature deals leave the split that
they had in common with others. Firing contexts that share a passage are dealt as one; a silent context that shares one with
a context of another purpose is left out where that feature is concerned, so that nothing is scored on what was shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.copies import marks_of
from labeler.evidence.rows import Rows
from labeler.evidence.stretches import Hashes
from labeler.features import IntArray

_AT_ONCE = 256


class Passages:
    """The marks of some contexts of a store, in order, and the row that each lies in: 16 bytes a mark."""

    def __init__(self, rows: Rows, among: IntArray) -> None:
        self._rows = rows
        self._inside = np.zeros(len(rows), dtype=bool)
        self._inside[among] = True
        marks, row = _marks(rows, among)
        order = np.argsort(marks, kind="stable")
        self._marks, self._row = marks[order], row[order]

    def at_odds(self, purpose: IntArray, dealt: NDArray[np.bool_], others: IntArray) -> IntArray:
        """The rows of these contexts and of ``others`` that share a passage with one of another purpose: [m], ascending.

        ``purpose`` and ``dealt`` are of all contexts, [n] each; passages that nobody who was dealt has are not looked at.
        """
        marks, row = _marks(self._rows, others[~self._inside[others]])
        wanted = np.unique(np.r_[marks, self._marks[dealt[self._row]]])
        first, last = (np.searchsorted(self._marks, wanted, side) for side in ("left", "right"))
        n = last - first
        at = np.repeat(first - np.cumsum(n) + n, n) + np.arange(n.sum())
        group = np.r_[np.repeat(np.arange(len(wanted)), n), np.searchsorted(wanted, marks)]
        row = np.r_[self._row[at], row]
        least, most = np.full(len(wanted), np.iinfo(np.int64).max), np.full(len(wanted), -1)
        np.minimum.at(least, group, purpose[row])
        np.maximum.at(most, group, purpose[row])
        return np.unique(row[(least < most)[group]])


def _marks(rows: Rows, among: IntArray) -> tuple[Hashes, IntArray]:
    marks, row = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(among), _AT_ONCE):
        some = among[start : start + _AT_ONCE]
        found, place = marks_of([rows.string(int(one)) for one in some])
        marks.append(found[place >= 0])
        row.append(some[place[place >= 0]])
    return np.concatenate(marks), np.concatenate(row)
