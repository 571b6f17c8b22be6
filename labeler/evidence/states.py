"""The sentence encoder's states of contexts: stored for the pool, made when asked for elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.rows import Rows
from labeler.evidence.tensors import Tensors
from labeler.features import IntArray

Half = NDArray[np.float16]

BATCH = 64
"""Contexts that are encoded at once."""

REMEMBERED = 8_192
"""Contexts outside the pool whose states a process keeps; 200 MB."""


class States:
    """Unit vectors on every token of a store's contexts, zero behind the end: [n, length, width] float16."""

    def __init__(self, rows: Rows, length: int, stored: Sequence[Callable[[], Tensors]], sizes: Sequence[int]) -> None:
        """``stored`` opens the files of the pool's states, ``sizes`` contexts each."""
        self._rows = rows
        self._length = length
        self._stored = stored
        self._first = np.cumsum([0, *sizes])
        self._made: dict[int, Half] = {}
        self._lock = threading.Lock()

    def __call__(self, rows: IntArray) -> Half:
        """The states of some contexts. Raises MissingExtraError where some must be made and no encoder is installed."""
        return self._look_up(rows, "states", lambda made: made)

    def means(self, rows: IntArray) -> Half:
        """The mean state of each context: [n, width], not normalised. Raises what the states do."""
        return self._look_up(rows, "means", means)

    def _look_up(self, rows: IntArray, name: str, of_made: Callable[[Half], Half]) -> Half:
        place = self._rows.pool_place[rows] if self._stored else np.full(len(rows), -1, dtype=np.int32)
        there = np.flatnonzero((place >= 0) & (place < self._first[-1]))
        if len(there) == len(rows) and len(rows):
            return self._read(name, place)
        other = np.setdiff1d(np.arange(len(rows)), there, assume_unique=True)
        made = of_made(self._make(rows[other].tolist()))
        found = np.empty((len(rows), *made.shape[1:]), dtype=np.float16)
        found[other] = made
        if len(there):
            found[there] = self._read(name, place[there])
        return found

    def _read(self, name: str, place: NDArray[np.integer[Any]]) -> Half:
        number = np.searchsorted(self._first, place, side="right") - 1
        parts = np.unique(number).tolist()
        if len(parts) == 1:
            return self._stored[parts[0]]()[name][place - self._first[parts[0]]]
        first = self._stored[parts[0]]()[name]
        found = np.empty((len(place), *first.shape[1:]), dtype=np.float16)
        for part in parts:
            here = number == part
            found[here] = self._stored[part]()[name][place[here] - self._first[part]]
        return found

    def _make(self, rows: list[int]) -> Half:
        with self._lock:
            new = [row for row in dict.fromkeys(rows) if row not in self._made]
            for part, states in encoded(self._rows, np.array(new, dtype=np.int64), self._length):
                self._made.update(zip(part.tolist(), states, strict=True))
            found = [self._made[row] for row in rows]
            for row in list(self._made)[: max(0, len(self._made) - REMEMBERED)]:
                del self._made[row]
        return np.stack(found) if found else np.zeros((0, self._length, 1), dtype=np.float16)


def means(states: Half) -> Half:
    """The mean state of each context: [n, length, width] -> [n, width]."""
    return states.astype(np.float32).mean(axis=1).astype(np.float16)


def encoded(rows: Rows, wanted: IntArray, length: int) -> Iterator[tuple[IntArray, Half]]:
    """Encode contexts a batch at a time; like lengths together, for a batch costs what its longest member costs."""
    if not len(wanted):
        return
    from labeler.models.encoder import load_encoder

    encoder = load_encoder()
    order = wanted[np.argsort(rows.column("lengths", wanted), kind="stable")]
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        ends = rows.column("ends", part)
        lengths = rows.column("lengths", part)
        stops = [row[:n] for row, n in zip(ends, lengths, strict=True)]
        yield part, encoder.tokens([rows.string(int(row)) for row in part], stops, length)
