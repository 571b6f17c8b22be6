"""``python -m eval reference``: labels by a reader, by the demo, by a look-up of tokens, and shuffled, side by side.

All four are scored on the same contexts of ``score`` by both of the demo's simulators, and the order that comes out is
printed as it is. The reader's labels were written from the contexts of ``explain`` alone, before any score was seen.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from eval.results import load, save
from labeler.cli.display import out
from labeler.cli.following import Following, collecting
from labeler.demo import CONTEXTS, SIMULATORS, collect_sample, label_as_demo
from labeler.evidence.sampling import draw
from labeler.evidence.store.store import EvidenceStore
from labeler.metrics import Average, average, paired_difference
from labeler.pipeline.bench import Backends, unkept
from labeler.pipeline.importance import guides
from labeler.pipeline.scoring import Sample, point, whole
from labeler.settings import settings
from labeler.simulators import Simulator, lookup, open_simulator, parse_simulator

KINDS = ("reference", "demo", "look-up", "shuffled")

LOOKUP_TOKENS = 5
"""Tokens in the label that the look-up makes: those with the most activation in ``explain``."""


@dataclass(frozen=True)
class Scored:
    """One feature's labels and what each scores, by kind and simulator."""

    index: int
    labels: dict[str, str]
    scores: dict[str, dict[str, float | None]]
    table: float | None
    """The look-up table's own predictions, without any label or simulator."""


def reference_labels() -> dict[int, str]:
    """What a reader wrote of each feature, by index."""
    lines = files("eval.sample").joinpath("reference_labels.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["index"]: row["label"] for row in map(json.loads, lines)}


def shuffled(labels: dict[int, str], store: EvidenceStore, seed: int = 0) -> dict[int, str]:
    """Every feature with another's label: a random cyclic shift, past near-duplicates."""
    order = [int(i) for i in np.random.default_rng(seed).permutation(sorted(labels))]
    found = {}
    for at, index in enumerate(order):
        near = {index, *store.near_duplicates(index)}
        others = (order[(at + step) % len(order)] for step in range(1, len(order)))
        found[index] = labels[next(other for other in others if other not in near)]
    return found


def lookup_label(store: EvidenceStore, index: int) -> tuple[str, float | None]:
    """The look-up table of a feature put as a label, and how its own predictions score."""
    fitted = whole(store, index, "explain")
    ids = fitted.material.ids
    table = lookup.fit(fitted.frame, ids)
    weighted = fitted.frame.truth * fitted.frame.weight[:, None]
    mass = {token: float(weighted[ids == token].sum()) for token in table}
    best = sorted(mass, key=lambda token: -mass[token])[:LOOKUP_TOKENS]
    words = dict.fromkeys(store.vocabulary[token].strip() for token in best)
    sampled = whole(store, index, "score")
    value = point(sampled, lookup.predict(table, sampled.material.ids))
    return ", ".join(f'"{word}"' for word in words if word), value


async def score_feature(
    store: EvidenceStore, simulators: list[Simulator], index: int, labels: dict[str, str]
) -> Scored:
    """Score the four labels of a feature on the same contexts."""
    everything = whole(store, index, "score")
    # Drawn where any of the four labels points, so that none is at an advantage.
    guided = [await guides(text, everything.material, True) for text in labels.values()]
    frame = draw(everything.frame, CONTEXTS, [np.max(each, axis=0) for each in zip(*guided, strict=True)], seed=0)
    drawn = Sample(frame, store.material(frame.contexts), "")
    scores: dict[str, dict[str, float | None]] = {kind: {} for kind in labels}
    for simulator in simulators:
        sampled = everything if simulator.free else drawn
        for kind, prediction in zip(
            labels, await simulator.predict(list(labels.values()), sampled.material), strict=True
        ):
            scores[kind][simulator.name] = point(sampled, prediction)
    return Scored(index, labels, scores, lookup_label(store, index)[1])


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
    features: Annotated[int | None, typer.Option(help="Only so many of the features, for a quick look.")] = None,
) -> None:
    """Mean scores of reference, demo, look-up and shuffled labels side by side, by both simulators."""
    console = out
    with collecting() as progress:
        dictionary = collect_sample(progress=progress)
    store = dictionary.store
    reference = dict(list(reference_labels().items())[:features])
    run = label_as_demo(dictionary, list(reference))
    with Following() as following:
        run.work(following)
    demo = {row["index"]: row["label"] for row in run.rows() if row["label"]}
    other = shuffled(reference, store)
    found = asyncio.run(_score_all(store, reference, demo, other))
    _print(console, found)
    if save_figures:
        direct = vars(average([scored.table for scored in found]))
        figures = {"summary": summary(found), "table": direct, "features": [vars(scored) for scored in found]}
        console.print(f"saved in {save('reference', figures)}", highlight=False)


async def _score_all(
    store: EvidenceStore, reference: dict[int, str], demo: dict[int, str], other: dict[int, str]
) -> list[Scored]:
    backends = Backends(settings())
    simulators = [open_simulator(parse_simulator(name), backends, unkept) for name in SIMULATORS]
    found = []
    with collecting() as progress:
        for done, index in enumerate(reference, 1):
            labels = {
                "reference": reference[index],
                "demo": demo.get(index, ""),
                "look-up": lookup_label(store, index)[0],
                "shuffled": other[index],
            }
            found.append(await score_feature(store, simulators, index, labels))
            progress("scoring four labels", done, len(reference), "features")
    await backends.close()
    return found


def summary(found: list[Scored]) -> dict[str, dict[str, dict[str, dict[str, float | int | None]]]]:
    """By simulator and kind of label: the mean score, and how far it stands above the shuffled ones."""
    simulators = list(found[0].scores["reference"])
    return {
        name: {
            kind: {
                "mean": vars(average([s.scores[kind][name] for s in found])),
                "above_shuffled": vars(
                    paired_difference(
                        [s.scores[kind][name] for s in found], [s.scores["shuffled"][name] for s in found]
                    )
                ),
            }
            for kind in KINDS
        }
        for name in simulators
    }


def _print(console: Console, found: list[Scored]) -> None:
    figures = summary(found)
    table = Table(title=f"{len(found)} features, mean score with 95 % interval", box=box.SIMPLE_HEAD)
    table.add_column("labels by")
    for name in figures:
        table.add_column(name)
        table.add_column("above shuffled")
    for kind in KINDS:
        cells = []
        for name in figures:
            cells += [_interval(figures[name][kind]["mean"]), _interval(figures[name][kind]["above_shuffled"])]
        if kind == "shuffled":
            cells = [cell if at % 2 == 0 else "–" for at, cell in enumerate(cells)]
        table.add_row(kind, *cells)
    console.print(table)
    direct: Average = average([scored.table for scored in found])
    console.print(f"the look-up table itself, without label or simulator: {_interval(vars(direct))}", highlight=False)


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown."""
    saved = load("reference")
    lines = ["| labels by | " + " | ".join(f"`{name}`" for name in saved["summary"]) + " |", "|---|" + "---|" * 2]
    for kind in KINDS:
        cells = [_interval(figures[kind]["mean"]) for figures in saved["summary"].values()]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    table = _interval(saved["table"])
    return "\n".join(
        [*lines, "", f"The look-up table itself, without label or simulator: {table}. Taken on {saved['machine']}."]
    )


def _interval(figures: dict[str, float | int | None]) -> str:
    undefined = f" ({figures['n_undefined']} undefined as 0)" if figures["n_undefined"] else ""
    return f"{figures['mean']:+.3f} [{figures['low']:+.3f}, {figures['high']:+.3f}]{undefined}"
