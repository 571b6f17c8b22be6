"""Which windows come from one document, where a format does not say: those that share a passage.

A text is reduced to its fingerprints by winnowing (Schleimer, Wilkerson and Aiken 2003): every stretch of 64 characters is
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

MinHash (16 bands of 2 rows over shingles of 3 words) found 82 % of the half overlaps of prose, and made one group of 25,000
of the 60,000: phrases that recur connect, and connections add up. 650,000 windows of 100 tokens take a minute and 360 MB.
"""

from __future__ import annotations

import math
import re
from array import array

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.components import connected
from labeler.features import IntArray

Hashes = NDArray[np.uint64]

_STRETCHES = ((64, math.inf), (40, 176), (28, 108))
"""How many characters are hashed together, and in texts of fewer than how many."""

_REPEATED = re.compile(r"([^\w\s])\1+")
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = np.uint64(31)


class Documents:
    """Takes texts one after the other and tells at the end which belong together."""

    def __init__(self) -> None:
        self._fingerprints = array("Q")
        self._counts = array("I")

    def add(self, text: str) -> None:
        """Keep the fingerprints of one more text."""
        found = fingerprints(text)
        self._fingerprints.frombytes(found.tobytes())
        self._counts.append(len(found))

    def groups(self) -> IntArray:
        """[n_texts] the group of every text, in the order in which they came: the number of its first text."""
        counts, keys = np.asarray(self._counts), np.asarray(self._fingerprints)
        owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        order = np.argsort(keys)
        same = keys[order[1:]] == keys[order[:-1]]
        return connected(len(counts), owner[order[:-1][same]], owner[order[1:][same]])


def fingerprints(text: str) -> Hashes:
    """The distinct fingerprints of a text: [n], one at least."""
    normal = _REPEATED.sub(r"\1", " ".join(text.lower().split()))
    letters = np.frombuffer(normal.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if not len(letters):
        return np.zeros(1, dtype=np.uint64)
    return np.unique(np.concatenate([_winnowed(letters, size) for size, below in _STRETCHES if len(letters) < below]))


def _winnowed(letters: Hashes, size: int) -> Hashes:
    """The smallest hash of every few neighbouring stretches; of a text that is shorter than a stretch, its own hash."""
    hashes = _hashed(letters, min(size, len(letters)))
    return _smallest(hashes, min(len(hashes), max(8, min(64, len(letters) // 8))))


def _hashed(letters: Hashes, size: int) -> Hashes:
    """The hash of every ``size`` letters in a row: [n] -> [n - size + 1]; of halves, then of halves of that."""
    hashes, reach = (letters + np.uint64(1)) * _MIX[0], 1
    while reach < size:
        step = min(reach, size - reach)
        hashes = hashes[:-step] * _MIX[1] + hashes[step:]
        hashes ^= hashes >> _SHIFT
        hashes *= _MIX[2]
        reach += step
    return hashes


def _smallest(values: Hashes, width: int) -> Hashes:
    """The smallest of every ``width`` values in a row: [n] -> [n - width + 1]."""
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        values = np.minimum(values[:-step], values[step:])
        reach += step
    return values
