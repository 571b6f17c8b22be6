"""Runs and outcomes for tests, and a clock that stands still."""

from __future__ import annotations

from typing import Any

from labeler.catalogue import Catalogue
from labeler.catalogue.records import (
    CandidateRecord,
    Claim,
    ControlOutcome,
    LabelOutcome,
    NewFeature,
    NewRun,
    ScoreRecord,
)

LEASE = 60.0


class Clock:
    """Says the time that it was set to."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def features(n: int) -> list[NewFeature]:
    """Features 0 to n-1."""
    return [NewFeature(index=index, statistics={"density": 0.01, "max_activation": 3.5}) for index in range(n)]


def new_run(n: int, dictionary: str = "sample", **config: Any) -> NewRun:
    """A run over n features."""
    return NewRun(dictionary=dictionary, config=config, features=features(n))


def labelled(label: str = "slavery", *, scored: bool = True) -> LabelOutcome:
    """An outcome with one candidate, and with a score where control is wanted."""
    return LabelOutcome(
        state="labelled",
        candidates=[CandidateRecord(label=label, explainer="lexical")],
        chosen=0,
        scores=[ScoreRecord(key="simulation.embedding", state="ok", value=0.3)] if scored else [],
    )


def failed(reason: str = "no answer could be read") -> LabelOutcome:
    """An outcome without a label."""
    return LabelOutcome(state="failed", reason=reason)


def work_off(catalogue: Catalogue, now: float, run_ids: list[str] | None = None) -> int:
    """Claims and finishes all that there is, both stages; how many claims that took."""
    n = 0
    while claims := catalogue.claim(100, LEASE, now, run_ids):
        for claim in claims:
            assert finish(catalogue, claim)
        n += len(claims)
    return n


def finish(catalogue: Catalogue, claim: Claim) -> bool:
    """Finishes a claim with an ordinary outcome of its stage."""
    if claim.stage == "label":
        return catalogue.finish_label(claim, labelled())
    return catalogue.finish_control(claim, ControlOutcome())
