"""Drawing again and again, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.estimator.designs import OURS, UNIFORM, Draw, designs
from eval.estimator.known import Known
from labeler.evidence.sampling import Floats, looks
from labeler.metrics import pearson, simulation

SIZES = (40, 80)
GRID = (20, 40, 80, 160, 320, 640, 1280, 2560)
"""Sizes among which the contexts are found that a precision takes."""

TARGETS = (0.1, 0.15)
PRECISION = 0.15


@dataclass(frozen=True, kw_only=True)
class Errors:
    """One prediction by one design at one size: over many draws."""

    kind: str
    density: float
    design: str
    size: int
    bias: float
    root_mean_square: float


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """One prediction by our design: how its intervals hold, at one size or looked at in blocks."""

    kind: str
    density: float
    size: str
    draws: int
    covered: float
    bias: float
    half_width: float
    contexts: float
    """Drawn on average."""
    imprecise: float
    """The share of intervals wider than asked."""


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Contexts after which 95 % of a feature's estimates lie within a target of the truth; None where none suffice."""

    kind: str
    density: float
    target: float
    ours: float | None
    uniform: float | None


def errors(known: Known, draws: int) -> list[Errors]:
    """Bias and root mean square error of every design."""
    found = []
    for name, draw in designs(known).items():
        for size in SIZES:
            off = _off(known, draw, size, draws)
            found.append(
                Errors(
                    kind=known.kind,
                    density=known.density,
                    design=name,
                    size=size,
                    bias=float(off.mean()),
                    root_mean_square=float(np.sqrt(np.square(off).mean())),
                )
            )
    return found


def needed(known: Known, draws: int) -> list[Needed]:
    """How many contexts each target takes, with ours and with uniform draws."""
    all_designs = designs(known)
    quantile = {
        name: [
            float(np.quantile(np.abs(_off(known, all_designs[name], size, draws)), 0.95))
            for size in GRID
            if size <= len(known.frame)
        ]
        for name in (OURS, UNIFORM)
    }
    return [
        Needed(
            kind=known.kind,
            density=known.density,
            target=target,
            ours=_reached(quantile[OURS], target),
            uniform=_reached(quantile[UNIFORM], target),
        )
        for target in TARGETS
    ]


def intervals(known: Known, draws: int) -> list[Intervals]:
    """Coverage and width of our intervals at fixed sizes, and in nested blocks until they are narrow enough."""
    frame, draw = known.frame, designs(known)[OURS]
    sizes = looks(max(SIZES))
    rows: dict[str, list[tuple[bool, float, float, int, bool]]] = {}
    for seed in range(draws):
        stopped = False
        for size in sizes:
            at, weight = draw(size, seed)
            found = simulation(
                frame.truth[at],
                known.prediction[at],
                frame.lengths[at],
                weight,
                frame.stratum[at],
                drawn=True,
                precision=PRECISION,
                seed=seed,
            )
            if found.value is None or found.low is None or found.high is None:
                row = (False, -known.value, 1.0, size, True)  # nothing but silence was predicted: no estimate
            else:
                inside = found.low <= known.value <= found.high
                row = (inside, found.value - known.value, (found.high - found.low) / 2, size, found.state != "ok")
            if size in SIZES:
                rows.setdefault(str(size), []).append(row)
            if not stopped and (not row[4] or size == sizes[-1]):
                stopped = True
                rows.setdefault("in blocks", []).append(row)
    return [
        Intervals(
            kind=known.kind,
            density=known.density,
            size=size,
            draws=draws,
            covered=float(np.mean([row[0] for row in some])),
            bias=float(np.mean([row[1] for row in some])),
            half_width=float(np.mean([row[2] for row in some])),
            contexts=float(np.mean([row[3] for row in some])),
            imprecise=float(np.mean([row[4] for row in some])),
        )
        for size, some in rows.items()
    ]


def _off(known: Known, draw: Draw, size: int, draws: int) -> Floats:
    """[draws] how far estimates are off; where nothing but silence was predicted the estimate is 0."""
    totals = []
    for seed in range(draws):
        at, weight = draw(size, seed)
        totals.append(weight @ known.moments[at])
    return np.nan_to_num(pearson(np.stack(totals))) - known.value


def _reached(quantiles: list[float], target: float) -> float | None:
    """The size at which the quantile falls to the target for good, between the sizes of the grid by its logarithm."""
    above = [place for place, value in enumerate(quantiles) if value > target]
    if not above:
        return float(GRID[0])
    last = above[-1]
    if last + 1 == len(quantiles):
        return None
    share = (quantiles[last] - target) / (quantiles[last] - quantiles[last + 1])
    return float(GRID[last] * (GRID[last + 1] / GRID[last]) ** share)
