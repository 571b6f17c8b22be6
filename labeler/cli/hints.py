"""Commands that are printed as the next ones: each can be run as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from labeler.models.names import encoder_available

if TYPE_CHECKING:
    from labeler.api import Dictionary, Run
    from labeler.catalogue.report import Report

FIRST = 32
"""Features that a first run is proposed for, at most."""

PIECES = 8
"""Ranges and single indices that a proposed command lists, at most."""

SHOWN = 5
"""Features that a command which shows some shows, at most."""


def to_label(dictionary: Dictionary, features: Sequence[int] | None = None) -> str | None:
    """A command that labels the first features of a dictionary, or some; None where none of them can be labelled.

    Those that can be scored come before those that can only be explained.
    """
    from labeler.runs.config import scorable

    if features is not None:
        here = set(dictionary.explainable())
        ready = [index for index in features if index in here]
    else:
        ready = list(islice(scorable(dictionary.store), FIRST)) or dictionary.explainable()
    if not ready:
        return None
    every = features is None and len(ready) == len(dictionary) <= FIRST
    return f"labeler label {dictionary.name}{'' if every else f' --features {spelled(ready)}'}{free_simulator()}"


def to_score_imported(dictionary: Dictionary) -> str | None:
    """A command that scores the labels that came with a dictionary; None where none of them can be scored."""
    fires = dictionary.store.indices[dictionary.store.firing_contexts().any(axis=1)].tolist()
    brought = dictionary.imported()
    if not any(one["side"] == "input" for index in fires for one in brought.get(index, ())):
        return None
    return f"labeler score {dictionary.name} --labels imported{free_simulator()}"


def to_look(run: Run, found: Report) -> str | None:
    """Commands that show what a run made: some of its features, and all of them together; None where it made nothing.

    They name the run where its dictionary has another: what stands in the catalogue may then be of that one.
    """
    from labeler import api

    numbers = sum(one.score.n - one.score.n_undefined for one in found.headlines)
    if numbers:
        which = f"--best {min(numbers, SHOWN)}"
    else:
        labelled = (row["index"] for row in run.rows() if row["state"] in ("labelled", "unclear"))
        which = " ".join(str(index) for index in islice(labelled, SHOWN))
    if not which:
        return None
    alone = all(other.id == run.id for other in api.runs() if other.dictionary == run.dictionary)
    of = "" if alone else f" --run {run.id}"
    return f"labeler show {run.dictionary} {which}{of}; labeler report {run.dictionary}{of}"


def free_simulator() -> str:
    """What a command adds where the usual simulator cannot run here."""
    return "" if encoder_available() else " --simulator lexical"


def spelled(indices: Sequence[int]) -> str:
    """The first FIRST of some rising indices as ``--features`` takes them, and fewer where they are too scattered."""
    some = list(indices[:FIRST])
    starts = [0, *(at + 1 for at, (one, other) in enumerate(pairwise(some)) if other > one + 1), len(some)]
    runs = [(some[first], some[stop - 1]) for first, stop in pairwise(starts)]
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs[:PIECES])
