"""The sentence encoder's states of contexts: stored for the pool, made when first asked for elsewhere, and kept.

A state is a unit vector. It rests as whole numbers from -127 to 127 with one scale a token: half the size of half
precision and as fast to multiply by, for a block at a time becomes float32 within the processor's cache. A cosine that
comes of it is off by .0004 (standard deviation).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store.cache import Kept
from labeler.evidence.store.contexts import Rows, Tables
from labeler.evidence.store.storage import Tensors
from labeler.features import FloatArray, IntArray
from labeler.models.names import ENCODER_WIDTH
from labeler.progress import tell

Half = NDArray[np.float16]

MEANS = "means.safetensors"
"""The mean states of all contexts, in a store that brings them and no states: what guides a draw has to be the same for all."""

BATCH = 32
"""Contexts that are encoded, or multiplied, at once: of usual ones a block of 1.5 MB."""

MADE = 2_048
"""Contexts outside the pool that are encoded in one go, batch by batch."""

TOKENS = 1_024
"""Single tokens that are multiplied at once."""

REMEMBERED = 8_192
"""Contexts outside the pool whose states a process has in memory; 110 MB."""


@dataclass(frozen=True, eq=False)
class Packed:
    """States of some contexts as they rest."""

    codes: NDArray[np.int8]
    """[n, length, width]"""
    scale: FloatArray
    """[n, length] what a token's codes are multiplied by; 0 where it has no state."""
    means: Half
    """[n, width] the mean state of each context, not normalised."""

    @classmethod
    def of(cls, states: NDArray[np.floating[Any]]) -> Packed:
        """Unit vectors [n, length, width], zero where a token has none, brought into this form."""
        full = states.astype(np.float32)
        scale = np.abs(full).max(axis=2, initial=0.0) / np.float32(127)
        codes = np.rint(full / np.where(scale > 0, scale, 1.0)[:, :, None]).astype(np.int8)
        return cls(codes, scale, full.mean(axis=1).astype(np.float16))

    @classmethod
    def joined(cls, parts: Sequence[Packed]) -> Packed:
        """Several as one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("codes", "scale", "means")))

    def take(self, at: IntArray) -> Packed:
        """Some of the contexts."""
        return Packed(self.codes[at], self.scale[at], self.means[at])

    def each(self) -> Iterator[Packed]:
        """Every context for itself."""
        for at in range(len(self.codes)):
            yield Packed(self.codes[at : at + 1], self.scale[at : at + 1], self.means[at : at + 1])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As the arrays of a file."""
        return {"codes": self.codes, "scale": self.scale, "means": self.means}

    def entry(self) -> bytes:
        """One context as it is kept."""
        return self.codes.tobytes() + self.scale.tobytes() + self.means.tobytes()

    @classmethod
    def read(cls, entry: bytes, length: int, width: int) -> Packed | None:
        """A kept context; None where the bytes are something else."""
        scale_at = length * width
        if len(entry) != scale_at + 4 * length + 2 * width:
            return None
        return cls(
            np.frombuffer(entry, np.int8, scale_at).reshape(1, length, width),
            np.frombuffer(entry, np.float32, length, scale_at).reshape(1, length),
            np.frombuffer(entry, np.float16, width, scale_at + 4 * length).reshape(1, width),
        )


class States:
    """Unit vectors on every token of a store's contexts, none behind the end."""

    def __init__(self, rows: Rows, length: int, stored: Tables, kept: Kept, means: Half | None = None) -> None:
        """``stored`` has the states of the pool in its order, ``kept`` those of other contexts by their rows.

        ``means`` [n_kept, width] are the mean states of all contexts, of a store that brings them without the states.
        """
        self._means = means
        self._rows = rows
        self._length = length
        self._stored = stored
        self._kept = kept
        self._made: dict[int, Packed] = {}
        self._lock = threading.Lock()

    def means(self, rows: IntArray) -> Half:
        """The mean state of each context: [n, width], not normalised. Raises what ``times`` does."""
        if self._means is not None:
            return np.asarray(self._means[rows])
        inside, outside, place = self._where(rows)
        if not len(outside) and len(rows):
            return self._stored.column("means", place)
        made = self._make(rows[outside].tolist())
        found = np.empty((len(rows), made.means.shape[1]), dtype=np.float16)
        found[outside] = made.means
        if len(inside):
            found[inside] = self._stored.column("means", place[inside])
        return found

    def closeness(self, rows: IntArray, vector: FloatArray) -> FloatArray:
        """The cosine of each context's mean state with a unit vector [width]: [n]. Raises what ``times`` does."""
        if self._means is not None:
            return _unit(self._means[rows]) @ vector
        inside, outside, place = self._where(rows)
        found = np.empty(len(rows), dtype=np.float32)
        if len(inside):
            found[inside] = (self._unit_means @ vector)[place[inside]]
        if len(outside):
            found[outside] = _unit(self._make(rows[outside].tolist()).means) @ vector
        return found

    @functools.cached_property
    def _unit_means(self) -> FloatArray:
        """The mean states of the pool's contexts, normalised: 30 MB at most, which is quicker than to pick some out."""
        return _unit(self._stored.whole("means"))

    def times(self, rows: IntArray, directions: FloatArray) -> FloatArray:
        """The product of directions [k, width] with every state: [k, n, length].

        Raises MissingExtraError where some states have to be made and no encoder is installed.
        """
        inside, outside, place = self._where(rows)
        for start in range(0, len(outside), MADE):  # all that are new together, for they are told of together
            self._make(rows[outside[start : start + MADE]].tolist())
        found = np.empty((len(directions), len(rows), self._length), dtype=np.float32)
        multiply = Product(directions)
        for number, part, at in self._stored.by_file(place[inside]):
            file, here = self._stored.file(number), inside[part]
            for start in range(0, len(here), BATCH):
                some = slice(start, start + BATCH)
                found[:, here[some]] = multiply(*_resting(file, at[some]))
        for start in range(0, len(outside), BATCH):
            here = outside[start : start + BATCH]
            made = self._make(rows[here].tolist())
            found[:, here] = multiply(made.codes, made.scale)
        return found

    def times_at(self, rows: IntArray, positions: IntArray, directions: FloatArray) -> FloatArray:
        """The same for single tokens, given by context and position [m] each: [k, m]."""
        inside, outside, place = self._where(rows)
        found = np.empty((len(directions), len(rows)), dtype=np.float32)
        multiply = Product(directions)
        for number, part, at in self._stored.by_file(place[inside]):
            file, here = self._stored.file(number), inside[part]
            for start in range(0, len(here), TOKENS):
                some = slice(start, start + TOKENS)
                found[:, here[some]] = multiply(*_resting(file, (at[some], positions[here[some]])))
        if len(outside):
            contexts, which = np.unique(rows[outside], return_inverse=True)
            made = self._make(contexts.tolist())
            tokens = (which, positions[outside])
            found[:, outside] = multiply(made.codes[tokens], made.scale[tokens])
        return found

    def stored(self, rows: IntArray) -> Packed:
        """The states of contexts that have them in the store, as they rest."""
        place = self._rows.pool_place[rows]
        parts, order = [], []
        for number, here, at in self._stored.by_file(place):
            file = self._stored.file(number)
            if "codes" in file:
                parts.append(Packed(file["codes"][at], file["scale"][at], file["means"][at]))
            else:
                parts.append(Packed.of(file["states"][at]))
            order.append(here)
        return Packed.joined(parts).take(np.argsort(np.concatenate(order)))

    def _where(self, rows: IntArray) -> tuple[IntArray, IntArray, NDArray[np.int32]]:
        """Which of the rows are stored, which are not, and the places in the pool."""
        place = self._rows.pool_place[rows]
        stored = (place >= 0) & (place < len(self._stored))
        return np.flatnonzero(stored), np.flatnonzero(~stored), place

    def _make(self, rows: list[int]) -> Packed:
        with self._lock:
            new = [row for row in dict.fromkeys(rows) if row not in self._made]
            for row, entry in self._kept.get(new).items():
                if (packed := Packed.read(entry, self._length, ENCODER_WIDTH)) is not None:
                    self._made[row] = packed
            missing = np.array([row for row in new if row not in self._made], dtype=np.int64)
            done = 0
            if len(missing):
                tell("encoding contexts", 0, len(missing), "contexts")
            for part, states in encoded(self._rows, missing, self._length):
                made = dict(zip(part.tolist(), Packed.of(states).each(), strict=True))
                self._kept.put({row: packed.entry() for row, packed in made.items()})
                self._made.update(made)
                done += len(part)
                tell("encoding contexts", done, len(missing), "contexts")
            found = [self._made[row] for row in rows]
            for row in list(self._made)[: max(0, len(self._made) - REMEMBERED)]:
                del self._made[row]
        return Packed.joined(found) if found else Packed.of(np.zeros((0, self._length, 1)))


def _unit(means: Half) -> FloatArray:
    full = means.astype(np.float32)
    found: FloatArray = full / np.maximum(np.linalg.norm(full, axis=1, keepdims=True), np.float32(1e-6))
    return found


def _resting(file: Tensors, at: Any) -> tuple[NDArray[Any], FloatArray | None]:
    """Some states of a file, and their scales; in stores of earlier versions as half precision, without."""
    return (file["codes"][at], file["scale"][at]) if "codes" in file else (file["states"][at], None)


class Product:
    """Multiplication of the same directions with vectors at rest, a block at a time."""

    def __init__(self, directions: FloatArray) -> None:
        """``directions`` [k, width]."""
        import torch

        self._directions = torch.from_numpy(np.ascontiguousarray(directions, dtype=np.float32))
        self._block = torch.empty(0, dtype=torch.float32)

    def single(self, vectors: FloatArray) -> FloatArray:
        """Vectors [n, width] of single precision, which need no block: [k, n]; with one thread quicker than numpy's product."""
        import torch

        return np.asarray((self._directions @ torch.from_numpy(vectors).T).numpy())

    def __call__(self, vectors: NDArray[Any], scale: FloatArray | None = None) -> FloatArray:
        """Vectors [..., width] of any type, each to be multiplied by its scale [...]: [k, ...]."""
        import torch

        flat = torch.from_numpy(vectors.reshape(-1, vectors.shape[-1]))
        if self._block.numel() < flat.numel():
            self._block = torch.empty(flat.numel(), dtype=torch.float32)
        block = self._block[: flat.numel()].view(flat.shape).copy_(flat)
        # Few directions by many vectors is several times as fast as the other way round.
        product = (self._directions @ block.T).numpy().reshape(-1, *vectors.shape[:-1])
        return product if scale is None else product * scale


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
