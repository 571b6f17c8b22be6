"""Which document of a feature's evidence serves which purpose, where there are too few to leave that to chance.

The split of a document is a hash of its name, the same for all features. Of a feature that fires in a handful of documents
chance may leave the explainer none of the strongest, or the score none that fires. So its documents are *dealt*: ordered
by their strongest activation, a few consecutive ones at a time, each purpose gets its share of every such few; which one
is whose, their hashes say. Where it fires in fewer than FEW documents, or in fewer than STRONG of them at half its
strength, no three-way split leaves enough for any purpose (``python -m eval scarce`` measures it). They are dealt into two
halves then: a label is made of either and scored on the other, and the label that stands is made of all
(``labeler.pipeline.cross_fitting``).

By their hashes no split has a passage of another (``copies``), but documents that a feature deals leave the split that
they had in common with others. Firing contexts that share a passage are dealt as one; a silent context that shares one with
a context of another purpose is left out where that feature is concerned, so that nothing is scored on what was shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.copies import Hashes, marks_of
from labeler.evidence.store.contexts import Rows
from labeler.features import SPLITS, IntArray

FEW = 15
"""Documents in which a feature fires, below which they are dealt into halves."""

STRONG = 5
"""Documents in which it fires at half its strongest or more, below which so are all: one for each turn."""

DEALT = 60
"""Documents in which a feature fires, from which on chance deals as well."""

TURNS = (0, 2, 0, 2, 1)
"""Whose turn it is in each five consecutive documents, as positions in ``SPLITS``: two explain, two score, one select."""


@dataclass(frozen=True, eq=False)
class Deal:
    """The documents that were dealt, and to whom."""

    documents: IntArray
    """[k] ascending."""
    purpose: NDArray[np.uint8]
    """[k] a position in ``SPLITS``; where ``halves``, 0 or 1: which half."""
    halves: bool

    def split(self, document: IntArray, by_hash: NDArray[np.uint8], fold: int | None) -> NDArray[np.uint8]:
        """The splits of contexts, [n] each: as dealt, and by the hash where their document was not.

        Of halves the one numbered ``fold`` is explained and the other scored; without a fold all is explained.
        """
        found = by_hash.copy()
        at, here = self._among(document)
        if not self.halves:
            found[here] = self.purpose[at[here]]
        elif fold is None:
            found[here] = 0
        else:
            found[here] = np.where(self.purpose[at[here]] == fold, 0, 2)
        return found

    def purposes(self, document: IntArray, by_hash: NDArray[np.uint8]) -> tuple[IntArray, NDArray[np.bool_]]:
        """Of contexts a number for what they serve, the same for those that are never apart, and whether they were dealt:
        [n] each."""
        found = by_hash.astype(np.int64)
        at, here = self._among(document)
        found[here] = self.purpose[at[here]] + (len(SPLITS) if self.halves else 0)
        return found, here

    def _among(self, document: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
        at = np.minimum(np.searchsorted(self.documents, document), len(self.documents) - 1)
        return at, self.documents[at] == document


def is_dealt(document: IntArray, maximum: NDArray[np.floating]) -> bool:
    """Whether a feature fires in so few documents; [n] each: of its contexts the document, and the strongest activation."""
    return 0 < len(np.unique(document[maximum > 0])) < DEALT


def deal(document: IntArray, draw: NDArray[np.float64], maximum: NDArray[np.floating]) -> Deal | None:
    """Deal the documents of a feature's contexts at hand; None where they are left to their hashes.

    [n] each: the document of a context, that document's random number, the context's strongest activation (0: silent).
    """
    documents, at, of_document = np.unique(document, return_index=True, return_inverse=True)
    strongest = np.zeros(len(documents))
    np.maximum.at(strongest, of_document, maximum.astype(np.float64))
    n_firing = int((strongest > 0).sum())
    if not 0 < n_firing < DEALT:
        return None
    number = draw[at]
    order = np.lexsort((number, -strongest))
    halves = n_firing < FEW or int((strongest >= strongest.max() / 2).sum()) < STRONG
    size = 2 if halves else len(TURNS)
    purpose = np.zeros(len(documents), dtype=np.uint8)
    for first in range(0, len(order), size):
        few = order[first : first + size]
        shuffled = few[np.argsort(number[few], kind="stable")]
        if not halves:
            purpose[shuffled] = TURNS[: len(few)]
        elif len(few) == 2:
            purpose[shuffled] = (0, 1)
        else:  # the last alone goes to the half that has less
            given = order[:first]
            weaker = strongest[given[purpose[given] == 0]].sum() <= strongest[given[purpose[given] == 1]].sum()
            purpose[few] = 0 if weaker else 1
    return Deal(documents, purpose, halves)


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
