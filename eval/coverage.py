"""``python -m eval coverage``: how often the interval of a sampled score holds what it should.

The demo's labels under the `embedding` simulator, which predicts every context at hand: its score on all of them is the
known truth, and samples are drawn and scored as for a paid simulator. The label's guess that guides the draw comes from
the same encoder, which is kinder than another model would be.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.table import Table

from eval.results import load, save
from labeler.cli.display import collecting, out
from labeler.demo import CONTEXTS, FEATURES, collect_sample, label_as_demo
from labeler.evidence.sampling import draw
from labeler.evidence.store import EvidenceStore
from labeler.runs.scoring import point, whole
from labeler.score import simulation
from labeler.simulate.embedding import EmbeddingSimulator, context_guide

SIZES = (CONTEXTS, 80)
DRAWS = 40


@dataclass(frozen=True)
class Cell:
    """One feature at one size of sample."""

    size: int
    density: float
    covered: float
    """The share of draws whose interval holds the score on everything."""
    bias: float
    half_width: float


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Coverage, bias and width of sampled scores on the demo's labels, by thirds of feature density."""
    with collecting() as progress:
        dictionary = collect_sample(progress=progress)
    run = label_as_demo(dictionary, dictionary.spread(FEATURES))
    run.work()
    labels = {row["index"]: row["label"] for row in run.rows() if row["label"]}
    cells: list[Cell] = []
    with collecting() as progress:
        for done, (index, label) in enumerate(labels.items(), 1):
            cells += study(dictionary.store, index, label)
            progress("drawing samples", done, len(labels), "features")
    rows = summary(cells)
    table = Table(title=f"{len(labels)} labels, {DRAWS} draws each, nominal 95 %", box=box.SIMPLE_HEAD)
    for column in ("contexts", "features", "covered", "bias", "half width"):
        table.add_column(column)
    for row in rows:
        numbers = (f"{row[key]:.3f}" for key in ("covered", "bias", "half_width"))
        table.add_row(str(row["contexts"]), str(row["features"]), *numbers)
    out.print(table)
    if save_figures:
        out.print(f"saved in {save('coverage', {'rows': rows})}", highlight=False)


def study(store: EvidenceStore, index: int, label: str) -> list[Cell]:
    """Draw and score one feature's samples; none where its truth or prediction is constant."""
    everything = whole(store, index, "score")
    prediction = asyncio.run(EmbeddingSimulator().predict([label], everything.material))[0]
    true = point(everything, prediction)
    if true is None:
        return []
    guide = context_guide(label, everything.material)
    place = {int(row): at for at, row in enumerate(everything.frame.contexts)}
    density = float(store.density()[index])
    cells = []
    for size in SIZES:
        hits, errors, widths = [], [], []
        for seed in range(DRAWS):
            drawn = draw(everything.frame, size, guide, [seed, index])
            seen = prediction[[place[int(row)] for row in drawn.contexts]]
            estimate = simulation(drawn.truth, seen, drawn.lengths, drawn.weight, drawn.stratum, seed=seed)
            if estimate.value is None or estimate.low is None or estimate.high is None:
                continue
            hits.append(estimate.low <= true <= estimate.high)
            errors.append(estimate.value - true)
            widths.append((estimate.high - estimate.low) / 2)
        cells.append(Cell(size, density, float(np.mean(hits)), float(np.mean(errors)), float(np.mean(widths))))
    return cells


def summary(cells: list[Cell]) -> list[dict[str, float | int | str]]:
    """Means over the features of each third of density, rarest first."""
    rows: list[dict[str, float | int | str]] = []
    for size in SIZES:
        found = sorted((cell for cell in cells if cell.size == size), key=lambda cell: cell.density)
        for name, third in zip(("rare", "middling", "frequent"), np.array_split(np.arange(len(found)), 3), strict=True):
            mine = [found[i] for i in third]
            rows.append(
                {
                    "contexts": size,
                    "features": name,
                    "covered": round(float(np.mean([c.covered for c in mine])), 4),
                    "bias": round(float(np.mean([c.bias for c in mine])), 4),
                    "half_width": round(float(np.mean([c.half_width for c in mine])), 4),
                }
            )
    return rows


def readme_line() -> str:
    """The saved figures as the README tells them."""
    by_size = {size: [row for row in load("coverage")["rows"] if row["contexts"] == size] for size in SIZES}
    told = [
        f"{min(r['covered'] for r in rows):.2f} to {max(r['covered'] for r in rows):.2f} with {size} contexts"
        for size, rows in by_size.items()
    ]
    return (
        "With few contexts an interval is only as good as its sample: on the demo's labels, with `embedding` as known truth,\n"
        f"the nominal 95 % interval covered {' and '.join(told)} (`python -m eval coverage`)."
    )
