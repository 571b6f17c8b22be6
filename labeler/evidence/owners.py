"""Which split each of very many marks belongs to, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.stretches import Hashes
from labeler.features import SPLITS

NOBODY = len(SPLITS)
"""The owner of a mark that nobody has claimed."""

MOST = 1 << 27
"""Places for marks at most, of 8 bytes each: there are enough for some 400 million tokens of prose."""

_FULL = 0.7
"""The share of the places that may be taken: beyond, looking for one takes longer."""

_AT_ONCE = 1 << 16
_MULTIPLY = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_OWNER = np.uint64(3)


class Owners:
    """A hash table (open addressing) from marks to splits; whoever comes first keeps a mark.

    Where ``MOST`` places do not do, every other mark is forgotten from then on, and so again: long copies keep plenty of
    marks, and what may go unseen are passages that are short.
    """

    def __init__(self, most: int = MOST) -> None:
        self._slots = np.zeros(1 << 10, dtype=np.uint64)
        """A mark without its last two bits, which are its owner's number plus 1; 0 where the place is free."""
        self._most = most
        self._taken = 0
        self._halvings = 0

    @property
    def bytes(self) -> int:
        """What it takes of memory."""
        return self._slots.nbytes

    def knows(self, marks: Hashes) -> NDArray[np.bool_]:
        """Which marks are of those that it keeps: all, until there are too many."""
        rare = np.uint64((1 << self._halvings) - 1)
        return np.asarray((_entries(marks) >> np.uint64(8)) & rare == 0)

    def of(self, marks: Hashes) -> NDArray[np.uint8]:
        """The owners of marks: [n]; ``NOBODY`` where none has claimed one."""
        held = self._slots[self._find(_entries(marks))] & _OWNER
        return np.where(held > 0, held - np.uint64(1), NOBODY).astype(np.uint8)

    def claim(self, marks: Hashes, owner: int) -> None:
        """Make one owner that of all marks that nobody has."""
        entries = _entries(np.unique(marks[self.knows(marks)])) | np.uint64(owner + 1)
        while self._taken + len(entries) > _FULL * len(self._slots):
            self._make_room()
            entries = entries[self._kept(entries)]
        self._put(entries)

    def _put(self, entries: Hashes) -> None:
        while len(entries):
            at = self._find(entries)
            free = self._slots[at] == 0
            entries, at = entries[free], at[free]
            self._slots[at] = entries
            # Of several that found the same place the last has it; the others look again.
            won = self._slots[at] == entries
            self._taken += int(won.sum())
            entries = entries[~won]

    def _find(self, entries: Hashes) -> NDArray[np.int64]:
        """The place of each entry's mark, or the free one where it would go."""
        last = len(self._slots) - 1
        at = (entries >> np.uint64(65 - len(self._slots).bit_length())).astype(np.int64)
        looking = np.arange(len(entries))
        while len(looking):
            held = self._slots[at[looking]]
            looking = looking[(held != 0) & ((held ^ entries[looking]) > _OWNER)]
            at[looking] = (at[looking] + 1) & last
        return at

    def _make_room(self) -> None:
        old = self._slots
        if len(old) < self._most:
            self._slots = np.zeros(2 * len(old), dtype=np.uint64)
        else:
            self._slots = np.zeros(len(old), dtype=np.uint64)
            self._halvings += 1
        self._taken = 0
        for start in range(0, len(old), _AT_ONCE):
            entries = old[start : start + _AT_ONCE]
            entries = entries[entries > 0]
            self._put(entries[self._kept(entries)])

    def _kept(self, entries: Hashes) -> NDArray[np.bool_]:
        rare = np.uint64((1 << self._halvings) - 1)
        return np.asarray((entries >> np.uint64(8)) & rare == 0)


def _entries(marks: Hashes) -> Hashes:
    """Marks mixed to the last bit, without the two in which an entry says whose it is."""
    mixed = (marks ^ (marks >> _HALF)) * _MULTIPLY
    mixed = (mixed ^ (mixed >> _HALF)) * _MULTIPLY
    return (mixed ^ (mixed >> _HALF)) & ~_OWNER
