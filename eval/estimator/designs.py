"""Ways to draw contexts, those of the literature and earlier ones beside ours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.estimator.known import Known
from labeler.evidence.sampling import Drawing, Floats, drawing
from labeler.features import IntArray

Draw = Callable[[int, int], tuple[IntArray, Floats]]
"""Of a size and a seed: the rows drawn, and what each stands for."""

LITERATURE = "top and random, unweighted"
UNIFORM = "uniform"
OURS = "activation .45, label's words and meaning .35, uniform .20"


def designs(known: Known) -> dict[str, Draw]:
    """Every design by its name, the simplest first."""
    frame = known.frame
    by_root = np.sqrt(np.square(frame.truth.astype(np.float64)).sum(axis=1))
    return {
        LITERATURE: lambda n, seed: _top_and_random(known, n, seed),
        UNIFORM: _proportional(known, (1.0, np.ones(len(frame)))),
        "quartiles of activation and silent, half each": lambda n, seed: _quartiles(known, n, seed),
        "root of activation .6, uniform .4": _proportional(known, (0.6, by_root), (0.4, np.ones(len(frame)))),
        "root of activation .45, label's context .35, uniform .20": _proportional(
            known, (0.45, by_root), (0.35, known.by_context), (0.2, np.ones(len(frame)))
        ),
        OURS: lambda n, seed: _taken(drawing(frame, known.guides, seed), n),
    }


def _proportional(known: Known, *parts: tuple[float, Floats]) -> Draw:
    """With probability proportional to a mixture of sizes, each by what a context stands for."""
    weight = known.frame.weight
    size = np.sum([share * weight * part / (weight * part).sum() for share, part in parts], axis=0)

    def draw(n: int, seed: int) -> tuple[IntArray, Floats]:
        number = np.random.default_rng(seed).random(len(size))
        return _taken(Drawing(known.frame, size, np.argsort(number / size, kind="stable")), n)

    return draw


def _taken(order: Drawing, n: int) -> tuple[IntArray, Floats]:
    return order.order[:n], order.first(n).weight


def _top_and_random(known: Known, n: int, seed: int) -> tuple[IntArray, Floats]:
    """The literature's: as many of the strongest as of silent ones at random, each counting alike."""
    frame = known.frame
    strongest = np.argsort(-frame.truth.max(axis=1, initial=0.0), kind="stable")[: n // 2]
    strongest = strongest[frame.firing[strongest]]
    silent = np.random.default_rng(seed).permutation(np.flatnonzero(~frame.firing))[: n - len(strongest)]
    rows = np.r_[strongest, silent]
    return rows, np.ones(len(rows))


def _quartiles(known: Known, n: int, seed: int) -> tuple[IntArray, Floats]:
    """Half from the quartiles of the strongest activation, half silent, each weighted by its stratum."""
    frame, rng = known.frame, np.random.default_rng(seed)
    firing = np.flatnonzero(frame.firing)
    by_strength = firing[np.argsort(frame.truth[firing].max(axis=1), kind="stable")]
    groups = [(part, n // 8) for part in np.array_split(by_strength, 4) if len(part)]
    groups.append((np.flatnonzero(~frame.firing), n // 2))
    rows: list[IntArray] = []
    weights: list[Floats] = []
    for part, wanted in groups:
        taken = rng.permutation(part)[: max(1, wanted)]
        rows.append(taken)
        # Of unequal weights only their sum is known to be the stratum's.
        weights.append(frame.weight[taken] * frame.weight[part].sum() / frame.weight[taken].sum())
    return np.concatenate(rows), np.concatenate(weights)
