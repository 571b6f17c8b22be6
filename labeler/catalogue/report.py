"""A dictionary as a whole: states, mean scores, how they go with density, and what the controls say of the labels."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labeler.metrics import LEFT_OUT, ONE_HALF, TOO_FEW, Average, average, left_out
from labeler.metrics.comparison import Verdict, difference, known, stored, verdict
from labeler.metrics.proportions import wilson


def controls(kept: Mapping[str, Any] | None, headline: str | None, score: Mapping[str, Any] | None) -> dict[str, Any]:
    """A feature's controls as its exported row has them; ``score`` is that of the ``headline``, of the label that is shown.

    ``against_lookup`` says how the label stands to the look-up by the interval of their difference: ``better``, ``alike``,
    ``worse``, or null where nothing can be said: one of the two is no number, they are no correlations both, or they rest
    on too few contexts. ``beats_lookup`` is whether it is better, or null. A look-up that was made beside another score, or
    beside none of this label, is left out.
    """
    found = {name: value for name, value in (kept or {}).items() if name not in ("beats_lookup", "against_lookup")}
    lookup = found.get("lookup")
    if lookup is None:
        return found
    if score is None or score["state"] in ("unscored", "failed") or lookup.get("of", headline) != headline:
        del found["lookup"]
        return found
    between = _between(lookup, score) if (headline or "").startswith("simulation") else None
    said = _verdict(between, score)
    shown = {name: lookup.get(name) for name in ("value", "low", "high")}
    return {
        **found,
        "lookup": {**shown, "difference": between},
        "beats_lookup": None if said is None else said == "better",
        "against_lookup": said,
    }


def _between(lookup: Mapping[str, Any], score: Mapping[str, Any]) -> dict[str, float] | None:
    """The difference as it was made; of what was stored before there was one, by the two intervals alone."""
    if lookup.get("difference") is not None or "of" in lookup:
        return lookup.get("difference")
    one, other = (known(each.get("value"), each.get("low"), each.get("high")) for each in (score, lookup))
    if one is None or other is None:
        return None
    return stored(difference(one, other))


def _verdict(between: Mapping[str, float] | None, score: Mapping[str, Any]) -> Verdict | None:
    if between is None or left_out(score.get("reason")) == TOO_FEW:
        return None
    return verdict(between["low"], between["high"])


Kind = Literal["population", "top-and-random"]
"""Whether a score speaks for the corpus or for the contexts at hand; the two are never averaged together."""

UNCOUNTED: Literal["top-and-random"] = "top-and-random"
LITERATURE = "simulation_top_and_random"
"""How the keys of scores begin that never speak for a corpus."""

DECILES = 10

SPREAD = 20
"""Features of known density below which there are no deciles: they would hold a single one each."""

BEYOND_CHANCE = 95.0
"""The percentile of its null that a label should be above."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of some features something is true of, with Wilson's 95 % interval."""

    share: float | None
    low: float | None
    high: float | None
    n: int
    """Features of which it is known whether it is true."""


@dataclass(frozen=True, kw_only=True)
class Decile:
    """A tenth of the features, by density."""

    density: tuple[float, float]
    """The rarest and the commonest of them."""
    score: Average


@dataclass(frozen=True, kw_only=True)
class ScoreMean:
    """The mean of one score over the features that have it, and how many of them are in none, by reason."""

    key: str
    kind: Kind
    n: int
    """Labelled features that have this score in whatever state."""
    score: Average
    with_scarce: Average | None
    """The same mean with those added that rest on too little, an undefined one as 0 here, too; None where there are none."""
    n_failed: int
    """Those where the scorer gave nothing usable; they are in no mean."""
    n_unscored: int
    """Nor are those that were not scored."""
    n_few: int
    """Those that rest on too few contexts for an interval; they are in no mean either."""
    n_half: int
    """Nor are those that rest on one of two halves, as no label was made of the other."""

    @property
    def left_out(self) -> dict[str, int]:
        """The features that are in no mean by reason, in words; with ``score.n`` they add up to ``n``."""
        counts = {
            LEFT_OUT[TOO_FEW]: self.n_few,
            LEFT_OUT[ONE_HALF]: self.n_half,
            "failed": self.n_failed,
            "not scored": self.n_unscored,
        }
        return {why: n for why, n in counts.items() if n}


@dataclass(frozen=True, kw_only=True)
class Headline(ScoreMean):
    """The features whose headline score is of one key and kind."""

    states: Mapping[str, int]
    """``ok|imprecise|undefined|failed|unscored``; the last two are in no mean."""
    deciles: Sequence[Decile]
    """By density, of those features whose density is known; none of fewer than ``SPREAD``."""
    beats_lookup: Share
    """Those that do better than the look-up of tokens, by the interval of the difference, of those compared with it."""
    worse_than_lookup: Share
    above_null: Share
    """Those that beat 95 % of the other features' labels, of those that were compared with any."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a catalogue's rows add up to."""

    n: int
    states: Mapping[str, int]
    """``labelled|unclear|failed|dead|skipped``"""
    failures: Mapping[str, int]
    """Those that failed, by kind, the most frequent first."""
    headlines: Sequence[Headline]
    n_without_score: int
    """Labelled features that have no headline score, and so are in none of ``headlines``."""
    scores: Sequence[ScoreMean]
    near_duplicates: int
    """Labelled features that have near-duplicates."""
    same_label: int
    """Those of them that share their label with one."""

    def __repr__(self) -> str:
        states = ", ".join(f"{n:,} {state}" for state, n in self.states.items())
        means = [f"{one.key} {one.score}" for one in self.headlines]
        return f"Report({'; '.join([f'{self.n:,} features' + (f': {states}' if states else ''), *means])})"


@dataclass
class _Column:
    """Numbers of one key and kind; NaN where undefined."""

    values: array[float] = field(default_factory=lambda: array("d"))
    densities: array[float] = field(default_factory=lambda: array("d"))
    scarce: array[float] = field(default_factory=lambda: array("d"))
    """Those that rest on too little for a mean."""
    states: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    beats_lookup: Counter[bool] = field(default_factory=Counter)
    worse_than_lookup: Counter[bool] = field(default_factory=Counter)
    above_null: Counter[bool] = field(default_factory=Counter)


def report(rows: Iterable[Mapping[str, Any]]) -> Report:
    """Read exported rows once; of each a few numbers are kept.

    An undefined score counts as 0 in a mean, and how many do stands beside it.
    """
    states: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    headlines: defaultdict[tuple[str, Kind], _Column] = defaultdict(_Column)
    scores: defaultdict[tuple[str, Kind], _Column] = defaultdict(_Column)
    near = shared = without = 0
    for row in rows:
        states[row["state"]] += 1
        if row["state"] == "failed":
            failures[row["failure"]] += 1
        if row["state"] != "labelled":
            continue
        near += bool(row["near_duplicates"])
        shared += bool(row["same_label"])
        without += row["headline"] not in row["scores"]
        density = row["statistics"].get("density")
        counted = not any(
            score["sampling"] == UNCOUNTED
            for key, score in row["scores"].items()
            if not key.startswith(LITERATURE) or key == row["headline"]
        )
        for key, score in row["scores"].items():
            which = key, kind_of(key, score, counted)
            _add(scores[which], score, None)
            if key == row["headline"]:
                column = headlines[which]
                _add(column, score, density)
                against, percentile = row["controls"].get("against_lookup"), score["null_percentile"]
                if against is not None:
                    column.beats_lookup[against == "better"] += 1
                    column.worse_than_lookup[against == "worse"] += 1
                if percentile is not None:
                    column.above_null[percentile >= BEYOND_CHANCE] += 1
    return Report(
        n=states.total(),
        states=dict(states),
        failures=dict(failures.most_common()),
        headlines=[_headline(*which, column) for which, column in sorted(headlines.items())],
        n_without_score=without,
        scores=[ScoreMean(**_facts(*which, column)) for which, column in sorted(scores.items())],
        near_duplicates=near,
        same_label=shared,
    )


def kind_of(key: str, score: Mapping[str, Any], counted: bool) -> Kind:
    """Which of the two kinds of sampling a score rests on; one that was never made is of its row's kind."""
    if key.startswith(LITERATURE) or score["sampling"] == UNCOUNTED or (score["sampling"] is None and not counted):
        return UNCOUNTED
    return "population"


def deciles(values: NDArray[np.float64], densities: NDArray[np.float64]) -> list[Decile]:
    """Mean scores [n] (NaN where undefined) by tenths of known densities [n] (NaN where unknown), rarest first; none of
    fewer than ``SPREAD``."""
    known = np.flatnonzero(~np.isnan(densities))
    if len(known) < SPREAD:
        return []
    order = known[np.argsort(densities[known], kind="stable")]
    return [
        Decile(density=(float(densities[part[0]]), float(densities[part[-1]])), score=_mean(values[part]))
        for part in np.array_split(order, DECILES)
    ]


def share(counts: Mapping[bool, int]) -> Share:
    """The share of what is true, with Wilson's interval, which keeps its width at 0 and 1."""
    n = counts.get(True, 0) + counts.get(False, 0)
    if not n:
        return Share(share=None, low=None, high=None, n=0)
    hits = counts.get(True, 0)
    low, high = wilson(hits, n)
    return Share(share=hits / n, low=low, high=high, n=n)


def _add(column: _Column, score: Mapping[str, Any], density: float | None) -> None:
    column.states[score["state"]] += 1
    if score["state"] in ("failed", "unscored"):
        return
    value = float("nan") if score["value"] is None else score["value"]
    if why := left_out(score.get("reason")):
        column.left_out[why] += 1
        column.scarce.append(value)
        return
    column.values.append(value)
    column.densities.append(float("nan") if density is None else density)


def _facts(key: str, kind: Kind, column: _Column) -> dict[str, Any]:
    """What every ``ScoreMean`` says."""
    return {
        "key": key,
        "kind": kind,
        "n": column.states.total(),
        "score": _mean(column.values),
        "with_scarce": _mean([*column.values, *column.scarce]) if column.scarce else None,
        "n_failed": column.states["failed"],
        "n_unscored": column.states["unscored"],
        "n_few": column.left_out[TOO_FEW],
        "n_half": column.left_out[ONE_HALF],
    }


def _headline(key: str, kind: Kind, column: _Column) -> Headline:
    return Headline(
        **_facts(key, kind, column),
        states=dict(column.states),
        deciles=deciles(np.asarray(column.values), np.asarray(column.densities)),
        beats_lookup=share(column.beats_lookup),
        worse_than_lookup=share(column.worse_than_lookup),
        above_null=share(column.above_null),
    )


def _mean(values: Sequence[float] | NDArray[np.float64]) -> Average:
    return average([None if np.isnan(value) else float(value) for value in values])
