"""``python -m eval agreement NAME``: whether the scores of a catalogue say the same of its features.

Every pair of scores is compared over the features that have both: by Spearman's rank correlation, and by whether the two
find the same labels good. A label is good in a score where it beats 95 % of the foreign labels that the score was tried
with (its null percentile), or, with ``--good-at X``, where its value is at least X. A score that speaks for a corpus is
never compared with one that speaks for the contexts at hand.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text

from labeler import api
from labeler.cli.display import out, print_json
from labeler.cli.options import JSON
from labeler.errors import InputError
from labeler.evidence.store.manifest import Sampling
from labeler.metrics.ranks import FEWEST, RankCorrelation, rank_correlation
from labeler.pipeline.scoring import UNCOUNTED
from labeler.printable import clean

GOOD_PERCENTILE = 95.0

Yes = NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """One score over a catalogue, as plain numbers; features without a value are not in it."""

    score: str
    sampling: str
    """``population`` or ``top-and-random``."""
    index: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))
    percentile: array[float] = field(default_factory=lambda: array("d"))
    """The null percentile; NaN where there is none."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Which labels two scores find good, over the features of which both can say."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @classmethod
    def of(cls, first: Yes, second: Yes) -> Confusion:
        """From [n] and [n] verdicts on the same features."""
        return cls(
            both=int((first & second).sum()),
            first_only=int((first & ~second).sum()),
            second_only=int((~first & second).sum()),
            neither=int((~first & ~second).sum()),
        )

    @property
    def n(self) -> int:
        """Features."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def agreement(self) -> float | None:
        """The share of features on which the two agree; None where there are none."""
        return (self.both + self.neither) / self.n if self.n else None

    @property
    def kappa(self) -> float | None:
        """Cohen's κ (1960): the agreement beyond chance; None where chance alone would agree on every feature."""
        if not self.n:
            return None
        first, second = self.both + self.first_only, self.both + self.second_only
        by_chance = first * second + (self.n - first) * (self.n - second)  # both times n², so that all is exact
        agreed = (self.both + self.neither) * self.n
        return None if by_chance == self.n**2 else (agreed - by_chance) / (self.n**2 - by_chance)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two scores of the same features."""

    first: str
    second: str
    sampling: str
    correlation: RankCorrelation
    good: Confusion

    def as_json(self) -> dict[str, Any]:
        """For another program."""
        named = {"first": self.first, "second": self.second, "sampling": self.sampling}
        good = {"n": self.good.n, **asdict(self.good), "agreement": self.good.agreement, "kappa": self.good.kappa}
        return {**named, "spearman": asdict(self.correlation), "good": good}


def columns(rows: Iterable[Mapping[str, Any]], sampling: Sampling) -> list[Column]:
    """The scores of a catalogue's rows, by kind of sampling and key; only numbers of a row are kept.

    ``sampling`` is the dictionary's; where its evidence speaks for a corpus, single scores may still not.
    """
    found: dict[tuple[str, str], Column] = {}
    for row in rows:
        for key, score in row["scores"].items():
            if score["value"] is None:
                continue
            kind = UNCOUNTED if score["sampling"] == UNCOUNTED else sampling
            column = found.setdefault((kind, key), Column(key, kind))
            column.index.append(row["index"])
            column.value.append(score["value"])
            percentile = score["null_percentile"]
            column.percentile.append(np.nan if percentile is None else percentile)
    return [found[at] for at in sorted(found)]


def pairs(scores: list[Column], good_at: float | None = None, seed: int = 0) -> list[Pair]:
    """Every two scores of one kind of sampling that share a feature."""
    compared = (
        compare(first, second, good_at, seed)
        for first, second in combinations(scores, 2)
        if first.sampling == second.sampling
    )
    return [pair for pair in compared if pair.correlation.n]


def compare(first: Column, second: Column, good_at: float | None, seed: int) -> Pair:
    """Two scores over the features that have both; the confusion is over those of which both also have a verdict."""
    _, *places = np.intersect1d(
        np.asarray(first.index), np.asarray(second.index), assume_unique=True, return_indices=True
    )
    values = [np.asarray(side.value)[at] for side, at in zip((first, second), places, strict=True)]
    judged_by = [np.asarray(side.percentile)[at] for side, at in zip((first, second), places, strict=True)]
    threshold = GOOD_PERCENTILE
    if good_at is not None:
        judged_by, threshold = values, good_at
    known = ~np.isnan(judged_by).any(axis=0)
    return Pair(
        first=first.score,
        second=second.score,
        sampling=first.sampling,
        correlation=rank_correlation(*values, seed=seed),
        good=Confusion.of(*(side[known] >= threshold for side in judged_by)),
    )


def main(
    name: Annotated[str, typer.Argument(help="A dictionary with a catalogue of several scores.")],
    good_at: Annotated[
        float | None, typer.Option(help="A label is good from this value on, instead of by its null percentile.")
    ] = None,
    json: JSON = False,
) -> None:
    """How the scores of a catalogue agree: rank correlations with intervals, and the confusion of good labels."""
    dictionary = api.open(name)
    scores = columns(dictionary.catalogue(), dictionary.store.manifest.sampling)
    found = pairs(scores, good_at)
    if reason := too_little(scores, found):
        raise InputError(f"'{name}' {reason}")
    good = {"null_percentile": GOOD_PERCENTILE} if good_at is None else {"value": good_at}
    if json:
        print_json({"dictionary": name, "good": good, "pairs": [pair.as_json() for pair in found]})
        return
    for sampling in dict.fromkeys(pair.sampling for pair in found):
        speaks = "for the contexts at hand" if sampling == UNCOUNTED else "for the corpus"
        out.print(table([pair for pair in found if pair.sampling == sampling], f"scores that speak {speaks}"))
    by = f"beats {GOOD_PERCENTILE:g} % of foreign labels" if good_at is None else f"scores {good_at:g} or more"
    out.print(f"good: a label that {by}", highlight=False)


def too_little(scores: list[Column], found: list[Pair]) -> str | None:
    """Why there is nothing to compare; None where there is."""
    if not scores:
        return "has no scores yet; make some with `labeler label`"
    if len(scores) == 1:
        return f"has one score, {clean(scores[0].score)}; agreement needs two: add a --simulator or a --scorer"
    most = max((pair.correlation.n for pair in found), default=0)
    if most < FEWEST:
        return f"has {most} features that share two scores; agreement needs {FEWEST} or more"
    return None


def table(found: list[Pair], title: str) -> Table:
    """The pairs as people read them."""
    grid = Table(title=title, box=box.SIMPLE_HEAD)
    for column in ("scores", "n", "rank correlation", "both good", "one only", "neither", "agree", "κ"):
        grid.add_column(column, justify="left" if column == "scores" else "right", overflow="fold")
    for pair in found:
        rho, good = pair.correlation, pair.good
        correlation = "–" if rho.value is None else f"{rho.value:+.2f}"
        if rho.low is not None:
            correlation += f" [{rho.low:+.2f} {rho.high:+.2f}]"
        counts = [str(good.both), f"{good.first_only} / {good.second_only}", str(good.neither)] if good.n else ["–"] * 3
        agree = "–" if good.agreement is None else f"{good.agreement:.0%}"
        kappa = "–" if good.kappa is None else f"{good.kappa:.2f}"
        names = f"{clean(pair.first)}\n{clean(pair.second)}"
        grid.add_row(*(Text(cell) for cell in (names, str(rho.n), correlation, *counts, agree, kappa)))
    return grid
