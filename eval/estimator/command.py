"""``python -m eval estimator``: bias, coverage and cost of sampled scores, where the whole truth is known.

Everything at hand of the ``score`` split of a larger collection of the sample counts as the corpus, so that the score of
a prediction on it is known. Samples are drawn from it again and again and scored as a paid simulator's would be.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from eval.estimator import tables
from eval.estimator.known import known
from eval.estimator.trials import Errors, Intervals, Needed, errors, intervals, needed
from eval.results import save
from labeler import api
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.demo import collect_sample, sample_dictionary
from labeler.evidence.store.store import EvidenceStore
from labeler.models.names import SMOLLM2

NAME = "study"
TOKENS = 655_360
FEATURES = 40
"""Four of every tenth of the live features by density."""

DRAWS = 250
"""Of every feature: 1,000 for a tenth of the features, 10,000 in all."""

RARE = (0.01, 0.001)
"""Shares of the contexts that features are made to fire in by a raised threshold, rarer than this dictionary has them."""

QUICK = (20, 25)


@dataclass(frozen=True)
class Task:
    """One feature's part of the study."""

    dictionary: str
    index: int
    rarity: float | None
    draws: int


@dataclass(frozen=True)
class Found:
    """What one feature's part gave."""

    rarity: float | None
    errors: list[Errors]
    intervals: list[Intervals]
    needed: list[Needed]


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
    quick: Annotated[bool, typer.Option(help="Half of the features, a tenth of the draws, the demo's corpus.")] = False,
) -> None:
    """Bias, coverage and cost of sampled scores, by tenths of feature density."""
    with collecting() as progress:
        if quick:
            dictionary = collect_sample(progress=progress)
        else:
            dictionary = api.collect(
                model=SMOLLM2,
                dictionary=sample_dictionary(),
                corpus="sample",
                name=NAME,
                tokens=TOKENS,
                progress=progress,
            )
    n, draws = QUICK if quick else (FEATURES, DRAWS)
    tasks = [Task(dictionary.name, i, None, draws) for i in every(dictionary.store, n)]
    tasks += [Task(dictionary.name, i, rarity, draws) for rarity in RARE for i in every(dictionary.store, n // 4)]
    found: list[Found] = []
    with collecting() as progress, ProcessPoolExecutor(os.cpu_count(), initializer=_alone) as pool:
        for done, one in enumerate(as_completed([pool.submit(study, task) for task in tasks]), 1):
            found.append(one.result())
            progress("drawing samples", done, len(tasks), "features")
    figures = tables.figures(found)
    for table in tables.shown(figures):
        out.print(table)
    if save_figures:
        out.print(f"saved in {save('estimator', figures)}", highlight=False)


def every(store: EvidenceStore, n: int) -> list[int]:
    """n features at equal steps through those that fire in every split, by density."""
    live = np.flatnonzero((store.firing_contexts() >= 1).all(axis=1))
    order = live[np.argsort(store.density()[live], kind="stable")]
    middles = (np.arange(n) + 0.5) / n * len(order)
    return [int(store.indices[at]) for at in order[middles.astype(int)]]


def study(task: Task) -> Found:
    """All draws of one feature's predictions."""
    store = api.open(task.dictionary).store
    all_known = known(store, task.index, task.rarity, seed=0)
    few = max(20, task.draws // 5)
    return Found(
        rarity=task.rarity,
        errors=[row for one in all_known for row in errors(one, few)],
        intervals=[row for one in all_known for row in intervals(one, task.draws)],
        needed=[row for one in all_known for row in needed(one, few)],
    )


def _alone() -> None:
    """One thread a process: there is one for every core."""
    import torch

    torch.set_num_threads(1)
