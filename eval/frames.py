"""``python -m eval frames``: do intervals hold where a score rests on a few contexts?

Of features of the sample, all firing contexts and as many silent ones as a feature can be compared on count as the corpus,
so that the score of a prediction on a mix of them is known: n firing and m silent contexts are drawn from it, evenly, as
those that come with an import are, and scored as they would be. Where intervals cover the truth less often than COVERED of
the time, or the narrow ones among them do, a state ``ok`` would promise what it does not hold: ``labeler.metrics.estimate``
has its numbers from here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from eval.estimator.command import every
from eval.estimator.known import known
from eval.results import load, save
from labeler import api
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.demo import collect_sample
from labeler.evidence.sampling import Floats
from labeler.features import Frame
from labeler.metrics import pearson, simulation

FIRING = (1, 2, 3, 5, 8, 10, 12, 15, 20, 30, 50, 80)
SILENT = (1, 2, 5, 10, 20)
FEATURES = 20
DRAWS = 25
"""Of every feature, prediction and size."""

COVERED = 0.93
"""What a 95 % interval has to reach to be called one."""

PRECISION = 0.15


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Many frames of one size."""

    kind: str
    firing: int
    silent: int
    draws: int
    covered: float
    """The share of all intervals that hold the truth."""
    narrow: float
    """The share of intervals as narrow as a score that is ``ok`` has them."""
    narrow_covered: float | None
    """The share of these that hold the truth; None where there is none."""
    half_width: float


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Coverage of intervals that rest on a few contexts that fire, and a few that do not."""
    with collecting() as progress:
        store = collect_sample(progress=progress).store
    indices = [index for index in every(store, 3 * FEATURES) if store.firing_contexts()[store.place(index), 2] >= 100]
    rows: list[tuple[str, int, int, bool, bool, float]] = []
    with collecting() as progress, ProcessPoolExecutor(os.cpu_count()) as pool:
        work = [pool.submit(study, store.manifest.name, index) for index in indices[:FEATURES]]
        for done, one in enumerate(as_completed(work), 1):
            rows += one.result()
            progress("drawing frames", done, len(work), "features")
    cells = summed(rows)
    out.print(shown(cells))
    figures = {"features": len(work), "precision": PRECISION, "cells": [asdict(cell) for cell in cells]}
    if save_figures:
        out.print(f"saved in {save('frames', figures)}", highlight=False)


def study(dictionary: str, index: int) -> list[tuple[str, int, int, bool, bool, float]]:
    """Every draw of one feature: (prediction, firing, silent, covered, narrow, half width)."""
    store = api.open(dictionary).store
    found = []
    for one in known(store, index, None, seed=0):
        frame = one.frame
        fires, quiet = np.flatnonzero(frame.firing), np.flatnonzero(~frame.firing)
        loud, silence = by_class(one.moments, frame)
        chance = [frame.weight[rows] / frame.weight[rows].sum() for rows in (fires, quiet)]
        for n in FIRING:
            for m in SILENT:
                truth = float(pearson(n * loud + m * silence))
                rng = np.random.default_rng([index, n, m])
                for draw in range(DRAWS if not np.isnan(truth) else 0):
                    rows = np.r_[
                        rng.choice(fires, n, replace=False, p=chance[0]),
                        rng.choice(quiet, m, replace=False, p=chance[1]),
                    ]
                    made = simulation(
                        frame.truth[rows],
                        one.prediction[rows],
                        frame.lengths[rows],
                        np.ones(len(rows)),
                        frame.stratum[rows],
                        precision=PRECISION,
                        seed=draw,
                    )
                    if made.low is not None and made.high is not None:  # else undefined, and no number is shown
                        inside, half = made.low - 1e-9 <= truth <= made.high + 1e-9, (made.high - made.low) / 2
                        found.append((one.kind, n, m, inside, half <= PRECISION, half))
    return found


def by_class(moments: Floats, frame: Frame) -> tuple[Floats, Floats]:
    """The mean moments [6] of the contexts that fire and of those that are silent, each as often as it stands for others.

    So many of the one and so many of the other, added up, are the moments of such a mix.
    """
    loud, quiet = (
        (moments[rows] * frame.weight[rows, None]).sum(0) / frame.weight[rows].sum()
        for rows in (frame.firing, ~frame.firing)
    )
    return loud, quiet


def summed(rows: Sequence[tuple[str, int, int, bool, bool, float]]) -> list[Cell]:
    """The draws by prediction and size, and over all predictions."""
    cells = []
    for kind in [*dict.fromkeys(row[0] for row in rows), "all"]:
        for n in FIRING:
            for m in SILENT:
                some = [row for row in rows if (kind in (row[0], "all")) and row[1:3] == (n, m)]
                good = [row[3] for row in some if row[4]]
                if some:
                    cells.append(
                        Cell(
                            kind=kind,
                            firing=n,
                            silent=m,
                            draws=len(some),
                            covered=float(np.mean([row[3] for row in some])),
                            narrow=len(good) / len(some),
                            narrow_covered=float(np.mean(good)) if good else None,
                            half_width=float(np.median([row[5] for row in some])),
                        )
                    )
    return cells


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown: beside ten silent contexts."""
    cells = [cell for cell in load("frames")["cells"] if (cell["kind"], cell["silent"]) == ("all", 10)]
    wanted = [cell for cell in cells if cell["firing"] in (2, 3, 5, 8, 12, 20, 30, 50, 80)]

    def row(name: str, values: Sequence[float | None]) -> str:
        return f"| {name} | " + " | ".join("–" if value is None else f"{value:.2f}" for value in values) + " |"

    return "\n".join(
        [
            "| contexts that fire | " + " | ".join(str(cell["firing"]) for cell in wanted) + " |",
            "|---|" + "---|" * len(wanted),
            row("intervals that hold", [cell["covered"] for cell in wanted]),
            row("of those narrow enough for `ok`", [cell["narrow_covered"] for cell in wanted]),
        ]
    )


def shown(cells: Sequence[Cell]) -> Table:
    """Over all predictions: coverage, and of those that are narrow, by firing and silent contexts."""
    table = Table(
        title="covered, and of the narrow ones (their share), by contexts that fire and that are silent",
        box=box.SIMPLE,
    )
    table.add_column("firing", justify="right")
    for m in SILENT:
        table.add_column(f"{m} silent", justify="right")
    at: dict[tuple[int, int], Any] = {(cell.firing, cell.silent): cell for cell in cells if cell.kind == "all"}
    for n in FIRING:
        row = []
        for m in SILENT:
            cell = at.get((n, m))
            of_ok = (
                ""
                if cell is None or cell.narrow_covered is None
                else f" · {cell.narrow_covered:.2f} ({cell.narrow:.0%})"
            )
            row.append("" if cell is None else f"{cell.covered:.2f}{of_ok}")
        table.add_row(str(n), *row)
    return table
