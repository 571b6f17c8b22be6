"""The demo: the main job on the shipped sample, small but whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeler import api
from labeler.data import shipped
from labeler.errors import MissingExtraError
from labeler.metrics import Average, paired_difference
from labeler.models.names import SMOLLM2, torch_available
from labeler.models.turn import TURN
from labeler.progress import Progress, doing, listening, silent

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
    return shipped("dictionary")


@dataclass(frozen=True)
class Size:
    """How much of the sample is collected and labelled."""

    tokens: int
    features: int

    @property
    def work(self) -> float:
        """About what it takes, in tokens that run through the whole model.

        A collected token runs through half of it and its context through the encoder; a feature's contexts run behind its
        label, behind FOREIGN others and behind none, and its local explanation takes about as much as one of those.
        """
        return 1_500 + 0.54 * self.tokens + self.features * (CONTEXTS * 33 * (2 + FOREIGN) + 830)


SIZES = (Size(TOKENS, FEATURES), Size(49_152, 16), Size(32_768, 8), Size(16_384, 4))
"""All of it, and what slower machines do, largest first."""

SECONDS = 420.0
"""What the live demo may take, as far as a short measurement can tell."""


def live_size(tokens_a_second: float) -> Size:
    """The most that a machine does in SECONDS that runs so many tokens a second; the least there is on a slower one."""
    return next((size for size in SIZES if size.work <= SECONDS * tokens_a_second), SIZES[-1])


def tokens_a_second() -> float:
    """How fast this machine runs the whole model, measured in about two seconds."""
    from labeler.models.language import load_language_model
    from labeler.models.logprobs import logprobs

    model = load_language_model(SMOLLM2)
    text = " and then the rain came down on the old town" * 26  # about 260 tokens
    tokens, seconds = 0, float("inf")
    with TURN:
        for _ in range(3):  # the first one warms up; the fastest counts, for others may be busy here
            began = time.perf_counter()
            tokens = len(logprobs(model, "", [text])[0].logprobs)
            seconds = min(seconds, time.perf_counter() - began)
    return tokens / seconds


def collect_live(progress: Progress = silent) -> tuple[api.Dictionary, Size]:
    """As much evidence as this machine has the time for, with that size; what was collected before is enough.

    Raises MissingExtraError where no model can run in this process.
    """
    if not torch_available():
        raise MissingExtraError("the live demo", "local")
    with listening(progress), doing("measuring this machine"):
        size = live_size(tokens_a_second())
    tokens = api.open(NAME).store.manifest.n_tokens if NAME in api.dictionaries() else size.tokens
    return collect_sample(progress=progress, tokens=min(tokens, size.tokens)), size


def label_live(dictionary: api.Dictionary, size: Size) -> api.Run:
    """The live demo's run: one that was begun before, of whatever size, its failures to be tried again, or a new one."""
    for other in SIZES:
        if run := _begun(dictionary, dictionary.spread(other.features)):
            return run
    return label_as_demo(dictionary, dictionary.spread(size.features))


def collect_sample(home: Path | None = None, progress: Progress = silent, tokens: int = TOKENS) -> api.Dictionary:
    """Evidence of the sample dictionary, collected live unless it is here already."""
    return api.collect(
        model=SMOLLM2,
        dictionary=sample_dictionary(),
        corpus="sample",
        name=NAME,
        tokens=tokens,
        home=home,
        progress=progress,
    )


def label_as_demo(dictionary: api.Dictionary, features: Sequence[int]) -> api.Run:
    """A run over some features as the demo labels them: the one that is there already, or a new one."""
    return _begun(dictionary, features) or dictionary.label(
        sorted(features), explainers=EXPLAINERS, simulators=SIMULATORS, contexts=CONTEXTS, foreign=FOREIGN
    )


def _begun(dictionary: api.Dictionary, features: Sequence[int]) -> api.Run | None:
    wanted = sorted(features)
    for run in dictionary.runs():
        stored = run.record.config["labelling"]
        same = (tuple(stored["explainers"]), tuple(stored["simulators"]), stored["contexts"], stored["foreign"])
        fresh = run.record.config["evidence"] == dictionary.store.manifest.fingerprint
        if fresh and same == (EXPLAINERS, SIMULATORS, CONTEXTS, FOREIGN) and run.indices() == wanted:
            if run.record.state == "cancelled":
                run.resume()
            run.retry()
            return run
    return None


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
