"""Which contexts of a frame are drawn, with which probability, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeler.features import FloatArray, Frame, IntArray

Floats = NDArray[np.float64]

SHARE = (0.45, 0.35, 0.20)
"""How a draw is divided between where the feature fires, where the label is expected to say so, and anywhere."""

POWER = 1.5
"""Of the root of a context's sum of squares, as its size: between 1 (robust) and 2 (its part in a correlation)."""


def size(activation: FloatArray) -> Floats:
    """How much contexts matter for a correlation, by activations [n, length] that are true or guessed: [n]."""
    full = activation.astype(np.float64)
    return np.asarray(np.einsum("nt,nt->n", full, full) ** (POWER / 2))


def coarse(values: Floats, steps: int = 1) -> Floats:
    """Not negative numbers on a grid of powers of two, with so many ``steps`` from one to the next.

    Guides come of an encoder's states, whose last digits depend on the processor. On the grid they are the same to the
    last bit on all of them, unless a value happens to lie on the border of two steps; and so is whatever is drawn. No
    simple fraction and no power of one lies on a border.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp2(np.floor(np.log2(values) * steps + 0.3) / steps))


@dataclass(frozen=True, eq=False)
class Drawing:
    """The contexts of a frame in the order in which samples take them: the first n are the sample of n.

    Every context has a random number; those with the smallest quotient of number and size come first (sequential
    Poisson sampling, Ohlsson 1998). The samples of all sizes are nested, each with known inclusion probabilities
    proportional to size, so that a sample can be added to until it is large enough.
    """

    frame: Frame
    size: Floats
    """[N] the share of the draw that each context would have, were none certain."""
    order: IntArray
    """[N] rows of the frame."""

    def first(self, n: int) -> Frame:
        """The sample of n contexts in drawing order, each standing for its weight over its inclusion probability."""
        if n >= len(self.frame):
            return self.frame.take(self.order)
        rows = self.order[:n]
        probability = inclusion_probabilities(self.size, n)[rows]
        return self.frame.take(rows, self.frame.weight[rows] / probability)


def drawing(frame: Frame, guides: Sequence[Floats], seed: int | Sequence[int]) -> Drawing:
    """The order in which the contexts of a frame are drawn.

    The size of a context mixes the feature's own activation, the guides (each [N], not negative: where a label is
    expected to be taken for active; none leaves their share to the others) and a uniform part, so that misses, false
    alarms that can be foreseen and those that cannot are all found. Each counts by what the context stands for.
    """
    by_truth, by_guides, uniform = SHARE
    guided = [frame.weight * coarse(guide) for guide in guides]
    guided = [guide / float(coarse(guide.sum(), steps=8)) for guide in guided if guide.sum() > 0]
    parts = [(by_truth, frame.weight * size(frame.truth)), (uniform, frame.weight)]
    if guided:
        parts.append((by_guides, np.mean(guided, axis=0)))
    parts = [(share, part / part.sum()) for share, part in parts if part.sum() > 0]
    whole = sum(share for share, _ in parts)
    mixed = sum((share / whole * part for share, part in parts), start=np.zeros(len(frame)))
    number = np.random.default_rng(seed).random(len(frame))
    with np.errstate(divide="ignore"):
        return Drawing(frame, mixed, np.argsort(number / mixed, kind="stable"))


def draw(frame: Frame, n: int, guides: Sequence[Floats], seed: int | Sequence[int]) -> Frame:
    """One sample of n contexts; see ``drawing``."""
    return drawing(frame, guides, seed).first(n)


def inclusion_probabilities(size: Floats, n: int) -> Floats:
    """Probabilities proportional to size that add up to n, none above 1: [N] -> [N]."""
    if n >= len(size):
        return np.ones(len(size))
    probability = np.zeros(len(size))
    certain = np.zeros(len(size), dtype=bool)
    while True:
        rest = n - certain.sum()
        probability[~certain] = rest * size[~certain] / size[~certain].sum()
        probability[certain] = 1.0
        over = probability > 1.0
        if not over.any():
            return probability
        certain |= over


def looks(n: int) -> tuple[int, ...]:
    """The sizes at which a sample of at most n contexts is looked at: half, and all of it.

    Earlier looks stop at samples that look sure because they have missed what would unsettle them: coverage falls.
    """
    return tuple(sorted({max(2, n // 2), n}))
