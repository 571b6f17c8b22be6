"""Which windows come from one document: those of which a format says so, and those that share a passage.

A text is reduced to its fingerprints by winnowing: every stretch of 64 characters is
hashed, and of every few neighbouring hashes the smallest is kept. Texts with a fingerprint in common, and texts that are
connected through others, are one group. In a text of n characters (lower case, white space and repeated marks as one) the
smallest is taken of n/8 neighbours, 8 at least and 64 at most: a sketch is some 15 numbers of 64 bits, and a passage of
64 + n/8 characters that two texts share is always found. Shorter texts, of which half is no such passage, are besides
hashed in stretches of 40, and still shorter ones of 28.

So identical texts always share a group, and texts of 76 characters or more that overlap by half do. Measured on US
presidential addresses and Python's manual as prose, and with library code and the CIA World Factbook, which is written by
template, besides:

- windows of 430 characters (about 100 tokens) that overlap by half do in 99.9 % (with code and templates 99.8 %), of 130
  characters in 99.8 % (97 %): what is missing overlaps in white space and rulers;
- of windows of 430 characters without overlap 5 % of prose share a group with another, for passages that do recur, the
  largest group 30 of 29,500; with code and templates 21 %, the largest 2,900 of 60,000. Of 1,808 rows of web text and code
  3.6 % do, the groups that were looked at being licences and generated code. Of windows of 100 characters it is 16 % (33 %).

Of windows whose documents are named, a passage that stands in very many documents joins none of them, for through the
documents' other windows it would join them all: such windows are told apart from their documents, and left out where
another split has the passage.

MinHash (16 bands of 2 rows over shingles of 3 words) found 82 % of the half overlaps of prose, and made one group of 25,000
of the 60,000: phrases that recur connect, and connections add up. 650,000 windows of 100 tokens take a minute and 360 MB.
"""

from __future__ import annotations

import math
import re
from array import array

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.copies import Hashes, connected, hashed, smallest
from labeler.features import IntArray

_STRETCHES = ((64, math.inf), (40, 176), (28, 108))
"""How many characters are hashed together, and in texts of fewer than how many."""

_REPEATED = re.compile(r"([^\w\s])\1+")


CROWD = 32
"""Named documents that one passage may join."""


class Documents:
    """Takes texts one after the other and tells at the end which belong together."""

    def __init__(self) -> None:
        self._fingerprints = array("Q")
        self._counts = array("I")
        self._first: dict[str, int] = {}
        self._named = array("q")

    def add(self, text: str, document: str | None = None) -> None:
        """Keep the fingerprints of one more text, and which document it is of, where that is known."""
        found = fingerprints(text)
        number = len(self._counts)
        self._fingerprints.frombytes(found.tobytes())
        self._counts.append(len(found))
        self._named.append(-1 if document is None else self._first.setdefault(document, number))

    def groups(self) -> IntArray:
        """[n_texts] the group of every text, in the order in which they came: the number of its first text."""
        texts, run, crowd = self._shared()
        meet = (run[1:] == run[:-1]) & ~crowd[run[1:]]
        document = np.asarray(self._named)
        named = np.flatnonzero(document >= 0)
        return connected(len(document), np.r_[texts[:-1][meet], document[named]], np.r_[texts[1:][meet], named])

    def crowds(self) -> tuple[IntArray, IntArray]:
        """Texts with a passage of very many documents, and the first text that has it: [m], [m]."""
        texts, run, crowd = self._shared()
        first = texts[np.flatnonzero(np.diff(run, prepend=-1))]
        here = crowd[run]
        return texts[here], first[run[here]]

    def _shared(self) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
        """Fingerprints in order: whose each is, and its number among the different ones; which of these are a crowd's."""
        keys = np.asarray(self._fingerprints)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        run = np.cumsum(np.r_[False, keys[1:] != keys[:-1]][: len(keys)])
        texts = np.repeat(np.arange(len(self._counts)), np.asarray(self._counts))[order]
        document = np.asarray(self._named)[texts]
        pairs = np.unique((run * len(self._counts) + document)[document >= 0])
        n_runs = int(run[-1]) + 1 if len(run) else 0
        crowd = np.bincount(pairs // max(1, len(self._counts)), minlength=n_runs) > CROWD
        # What stands beside such a passage begins alike here and there: nothing of a text that has one joins.
        among = np.isin(texts, texts[crowd[run]])
        return texts, run, np.bincount(run[among], minlength=n_runs) > 0


def fingerprints(text: str) -> Hashes:
    """The distinct fingerprints of a text: [n], one at least."""
    normal = _REPEATED.sub(r"\1", " ".join(text.lower().split()))
    letters = np.frombuffer(normal.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if not len(letters):
        return np.zeros(1, dtype=np.uint64)
    return np.unique(np.concatenate([_winnowed(letters, size) for size, below in _STRETCHES if len(letters) < below]))


def _winnowed(letters: Hashes, size: int) -> Hashes:
    """The smallest hash of every few neighbouring stretches; of a text that is shorter than a stretch, its own hash."""
    hashes = hashed(letters, min(size, len(letters)))
    return smallest(hashes, min(len(hashes), max(8, min(64, len(letters) // 8))))
