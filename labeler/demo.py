"""The demo: the main job on the shipped sample, small but whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from labeler import api
from labeler.errors import InputError
from labeler.models.names import SMOLLM2
from labeler.progress import Progress, silent
from labeler.score import Average, paired_difference

NAME = "sample"
TOKENS = 102_400
FEATURES = 32
EXPLAINERS = (f"local:{SMOLLM2}", "lexical")
SIMULATORS = (f"likelihood=local:{SMOLLM2}", "embedding")
KEYS = ("simulation.likelihood", "simulation.embedding")
CONTEXTS = 24
"""Contexts that the language model predicts for a feature: a laptop's two cores take five seconds for them."""

FOREIGN = 2


def sample_dictionary() -> Path:
    """The folder of the shipped dictionary; InputError where this installation came without it."""
    folder = Path(str(files("eval.sample").joinpath("dictionary")))
    if not folder.is_dir():
        raise InputError(
            "the sample dictionary is missing from this installation; run the demo in a clone of the repository"
        )
    return folder


def collect_sample(home: Path | None = None, progress: Progress = silent) -> api.Dictionary:
    """Evidence of the sample dictionary, collected live unless it is here already."""
    return api.collect(
        model=SMOLLM2,
        dictionary=sample_dictionary(),
        corpus="sample",
        name=NAME,
        tokens=TOKENS,
        home=home,
        progress=progress,
    )


def label_as_demo(dictionary: api.Dictionary, features: Sequence[int]) -> api.Run:
    """A run over some features as the demo labels them: the one that is there already, or a new one."""
    wanted = sorted(features)
    for run in dictionary.runs():
        stored = run.record.config["labelling"]
        same = (tuple(stored["explainers"]), tuple(stored["simulators"]), stored["contexts"], stored["foreign"])
        fresh = run.record.config["evidence"] == dictionary.store.manifest.fingerprint
        if fresh and same == (EXPLAINERS, SIMULATORS, CONTEXTS, FOREIGN) and run.indices() == wanted:
            if run.record.state == "cancelled":
                run.resume()
            return run
    return dictionary.label(wanted, explainers=EXPLAINERS, simulators=SIMULATORS, contexts=CONTEXTS, foreign=FOREIGN)


@dataclass(frozen=True)
class Verdict:
    """How labels do against the mean of their null, feature by feature, by one simulator."""

    key: str
    difference: Average


def verdicts(run: api.Run, keys: Sequence[str]) -> list[Verdict]:
    """The paired difference between a label's score and the mean of its null, for each of some simulators."""
    found = []
    for key in keys:
        pairs = []
        for row in run.rows():
            score = next((s for s in run.scores(row["index"]) if s.key == key), None)
            if score is not None and score.null_mean is not None:
                pairs.append((score.value, score.null_mean))
        if pairs:
            found.append(Verdict(key, paired_difference([a for a, _ in pairs], [b for _, b in pairs], seed=0)))
    return found


def winners(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many labels each explainer won."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["label"]:
            counts[row["explainer"]] = counts.get(row["explainer"], 0) + 1
    return counts
