"""The split of every context of a corpus in which texts stand more than once, whole or in part.

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

from labeler.evidence.components import connected
from labeler.evidence.owners import MOST, NOBODY, Owners
from labeler.evidence.sampling import split_of
from labeler.evidence.stretches import Hashes, hashed, winnowed
from labeler.features import SPLITS, IntArray

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
