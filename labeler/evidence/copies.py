"""Hashes of the stretches of a text, and which of them stand for it (winnowing, Schleimer, Wilkerson and Aiken 2003).

Who hangs together: the connected components of a graph.

Which split each of very many marks belongs to, in bounded memory.

The split of every context of a corpus in which texts stand more than once, whole or in part.

Every document has a split, by the hash of its name. But crawls hold pages again and again, each time as a document of its
own, quote one another, and stand on templates: by name alone, what the explainer was shown is scored on. Passages are
told by their marks, hashes of stretches of ``STRETCH`` letters that winnowing selects, and every mark belongs to the split
in which it was first met. Two rules make copies one document:

- a document of which at least half was there before goes where most of that went;
- a context with a mark of another split is left out of all of them, and so of what the counts speak for.

So documents are not chained: of a footer that everybody has, only the contexts of one split stay. Letters are what is left
of a text in lower case without white space, rulers as one mark, a letter of another script by its two to four bytes.

What is kept holds for certain: no two contexts of different splits share ``REACH`` letters in a row (half a context of
prose), or are the same text, however short; nor does one share so many with any part of a document of another split.
Documents that share nothing keep the splits that their names give.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.sampling import split_of
from labeler.features import SPLITS, IntArray

Hashes = NDArray[np.uint64]

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = np.uint64(31)


def hashed(letters: Hashes, size: int) -> Hashes:
    """The hash of every ``size`` letters in a row: [n] -> [n - size + 1]; of halves, then of halves of that."""
    hashes, reach = (letters + np.uint64(1)) * _MIX[0], 1
    while reach < size:
        step = min(reach, size - reach)
        hashes = hashes[:-step] * _MIX[1] + hashes[step:]
        hashes ^= hashes >> _SHIFT
        hashes *= _MIX[2]
        reach += step
    return hashes


def smallest(values: Hashes, width: int) -> Hashes:
    """The smallest of every ``width`` values in a row: [n] -> [n - width + 1]."""
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        values = np.minimum(values[:-step], values[step:])
        reach += step
    return values


def winnowed(hashes: Hashes, width: int) -> NDArray[np.bool_]:
    """Which hashes are the smallest of some ``width`` in a row, or of all where there are fewer: [n], n > 0."""
    width = min(width, len(hashes))
    edge = np.full(width - 1, np.uint64(2**64 - 1))
    # The smallest of a run is never above a member: a member is one's smallest where the largest of these is itself.
    runs = np.concatenate([edge, ~smallest(hashes, width), edge])
    return np.asarray(smallest(runs, width) == ~hashes)


def connected(n: int, left: NDArray[np.integer], right: NDArray[np.integer]) -> IntArray:
    """The connected components of n nodes and the edges left[i] - right[i]: [n] the smallest node of each one's component."""
    root = np.arange(n, dtype=np.int32)
    while len(left):
        a, b = root[left], root[right]
        apart = a != b
        left, right, a, b = left[apart], right[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while (root != (above := root[root])).any():
            root = above
    return root.astype(np.int64)


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


STRETCH = 40
"""Letters that are hashed together: some nine words. Shorter ones are phrases that anybody may use."""

REACH = 56
"""A common passage of so many letters has a mark for certain."""

_IN_WORDS = np.array([byte >= 128 or chr(byte).isalnum() for byte in range(256)])

LEFT_OUT = NOBODY
"""The split of a context that none may have."""


class Splits:
    """Takes the passages of a corpus, always in the same order, and tells the split of every context."""

    def __init__(self, most: int = MOST) -> None:
        """``most`` places of 8 bytes for marks: beyond, short passages may go unseen."""
        self._marks = Owners(most)
        self._documents = Owners()
        self.n_documents = 0
        """Documents so far."""

    def of(self, document: str, texts: list[str]) -> NDArray[np.uint8]:
        """The splits of one passage's contexts, by their texts in turn: [n]; ``LEFT_OUT`` where none may have it."""
        marks, place = marks_of(texts)
        known = self._marks.knows(marks)
        marks, place = marks[known], place[known]
        owner = self._marks.of(marks)
        name = np.array([_hash(document.encode("utf-8", "surrogatepass"))], dtype=np.uint64)
        split = int(self._documents.of(name)[0])
        if split == NOBODY:
            split = _followed(owner, document)
            self._documents.claim(name, split)
            self.n_documents += 1
        self._marks.claim(marks[owner == NOBODY], split)
        found = np.full(len(texts), split, dtype=np.uint8)
        foreign = place[(owner != NOBODY) & (owner != split)]
        found[foreign[foreign >= 0]] = LEFT_OUT
        return found


def joined(texts: list[str], documents: IntArray) -> IntArray:
    """The documents [n] of some contexts, by number, where all that share a passage are the one with the least: [n]."""
    names, at = np.unique(documents, return_inverse=True)
    marks, place = marks_of(texts)
    inside = place >= 0
    order = np.argsort(marks[inside], kind="stable")
    marks, owner = marks[inside][order], at[place[inside][order]]
    same = marks[1:] == marks[:-1]
    return np.asarray(names[connected(len(names), owner[:-1][same], owner[1:][same])[at]])


def _followed(owner: NDArray[np.uint8], document: str) -> int:
    """The split that most of a document belongs to already, or, where most of it is new, that of its name."""
    counts = np.bincount(owner, minlength=len(SPLITS) + 1)
    copied = counts[:NOBODY].sum() >= max(1, counts[NOBODY])
    return int(counts[:NOBODY].argmax()) if copied else split_of(document)


def marks_of(texts: list[str]) -> tuple[Hashes, IntArray]:
    """The marks of a passage's contexts, and which context each lies in: [m], [m]; -1 where it lies in several.

    A context that is too short for a mark of its own for certain has besides the hash of all its text.
    """
    letters, context = _letters(texts)
    marks, places = [], []
    if len(letters) >= STRETCH:
        hashes = hashed(letters, STRETCH)
        at = np.flatnonzero(winnowed(hashes, REACH - STRETCH + 1))
        first, last = context[at], context[at + STRETCH - 1]
        marks.append(hashes[at])
        places.append(np.where(first == last, first, -1))
    ends = np.cumsum(np.bincount(context, minlength=len(texts)))
    starts = np.r_[0, ends[:-1]]
    short = np.flatnonzero(ends - starts < REACH)
    every = letters.astype(np.uint8).tobytes()
    marks.append(np.array([_hash(every[starts[at] : ends[at]]) for at in short], dtype=np.uint64))
    places.append(short)
    return np.concatenate(marks), np.concatenate(places)


def _letters(texts: list[str]) -> tuple[Hashes, IntArray]:
    """The letters of contexts that follow on one another, and which context each belongs to: [n], [n]."""
    encoded = ["".join(text.lower().split()).encode("utf-8", "replace") for text in texts]
    letters = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    context = np.repeat(np.arange(len(texts)), [len(one) for one in encoded])
    other = (letters[1:] != letters[:-1]) | (context[1:] != context[:-1])
    new = np.r_[True, other | _IN_WORDS[letters[1:]]][: len(letters)]
    return letters[new].astype(np.uint64), context[new]


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
