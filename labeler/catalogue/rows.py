"""The exported row: all that a user is told about one feature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from labeler.catalogue.calls import sums
from labeler.catalogue.imported import shown
from labeler.catalogue.labels import CARRIED, Sharing, percentile, reading, speaking
from labeler.catalogue.queue import CHUNK
from labeler.catalogue.records import RunRecord
from labeler.catalogue.report import controls
from labeler.catalogue.tables import CALLS, CANDIDATES, FEATURES, RUNS, SCORES
from labeler.sides import side_of

Export = dict[str, Any]
"""One exported row, ready for JSON."""

_SCORE_FIELDS = (
    *("value", "low", "high", "n_contexts", "uniform_equivalent_n", "simulator", "null_percentile", "state"),
    *("reason", "sampling"),
)
_NO_COST = {"usd": 0.0, "input_tokens": 0, "cached_tokens": 0, "output_tokens": 0, "calls": 0}


def stream(engine: Engine, runs: Sequence[RunRecord], indices: Sequence[int] | None) -> Iterator[Export]:
    """The rows of all features that have a state, in index order, each out of the first run that has one for it.

    A run in which the feature failed comes behind those in which it did not.

    It reads a page at a time, each in a transaction of its own, so that a large catalogue neither fills the memory nor
    holds up the workers. What stands in one row was true at one moment, but for the near-duplicates that share its label.
    """
    found = speaking(engine, runs, indices)
    sharing = Sharing(runs)
    while page := list(islice(found, CHUNK)):
        by_place: dict[int, list[int]] = defaultdict(list)
        for index, place in page:
            by_place[place].append(index)
        rows: dict[int, Export] = {}
        for place, some in by_place.items():
            with engine.connect() as connection:
                rows |= _assemble(connection, runs[place], some)
        labelled = [row for row in rows.values() if row["label"]]
        with engine.connect() as connection:
            sharing.look(connection, (other for row in labelled for other in row["near_duplicates"]))
            theirs = shown(connection, runs[0].dictionary, runs, sorted(rows))
        for index, row in rows.items():
            row["same_label"] = sharing.same_label(row)
            row["imported"] = theirs.get(index, [])
        yield from (rows[index] for index, _ in page if index in rows)


def _assemble(connection: Connection, run: RunRecord, indices: Sequence[int]) -> dict[int, Export]:
    """The rows of some features of one run, by index; at most ``CHUNK`` of them."""

    def of(table: sa.Table, *columns: Any) -> sa.Select[Any]:
        return sa.select(*(columns or (table,))).where(table.c.run_id == run.id, table.c.index.in_(indices))

    candidates: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(of(CANDIDATES).order_by(CANDIDATES.c.position)):
        candidates[row._mapping["index"]].append(row)
    scores: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(of(SCORES).order_by(SCORES.c.key)):
        scores[row._mapping["index"]].append(row)
    costs = {
        row._mapping["index"]: _cost(row)
        for row in connection.execute(of(CALLS, CALLS.c.index, *sums()).group_by(CALLS.c.index))
    }
    features = list(connection.execute(of(FEATURES).where(FEATURES.c.state.is_not(None))))
    moved = _on_other_evidence(connection, run, {feature.label_run for feature in features} - {None})
    rows: dict[int, Export] = {}
    for feature in features:
        index = feature._mapping["index"]
        rows[index] = _row(run, feature, candidates[index], scores[index], costs.get(index, _NO_COST))
        if feature.label_run in moved:
            rows[index]["provenance"]["held_out"] = None
    return rows


def _on_other_evidence(connection: Connection, run: RunRecord, label_runs: set[str]) -> set[str]:
    """Those runs whose labels were made on other evidence than ``run`` scored them on, where more evidence may have dealt
    documents anew: nobody knows then whether a label's maker was shown what it was scored on."""
    if not label_runs or run.config.get("splits") != "dealt":
        return set()
    made = connection.execute(sa.select(RUNS.c.id, RUNS.c.config).where(RUNS.c.id.in_(label_runs)))
    return {row.id for row in made if row.config.get("evidence") != run.config.get("evidence")}


def _row(
    run: RunRecord, feature: Row[Any], candidates: list[Row[Any]], scores: list[Row[Any]], cost: dict[str, Any]
) -> Export:
    config = run.config
    chosen = next((candidate for candidate in candidates if candidate.position == feature.chosen), None)
    headline = feature.headline or config.get("headline")
    of_headline = next((dict(score._mapping) for score in scores if score.key == headline), None)
    return {
        "dictionary": run.dictionary,
        "model": config.get("model"),
        "hook": config.get("hook"),
        "index": feature._mapping["index"],
        "state": feature.state,
        "reason": feature.reason,
        "failure": feature.failure,
        "label": chosen.label if chosen else None,
        "description": chosen.description if chosen else None,
        "confidence": chosen.confidence if chosen else None,
        "side": side_of(chosen.label) if chosen is not None and chosen.contexts is None else "input",
        "explainer": chosen.explainer if chosen else None,
        "alternatives": _alternatives(chosen, candidates),
        "headline": headline,
        "scores": {
            score.key: {field: score._mapping[field] for field in _SCORE_FIELDS}
            | {"null_percentile": percentile(score.key, score.value, score.null_percentile, run.nulls)}
            for score in sorted(scores, key=lambda score: score.key != headline)
        },
        "controls": controls(feature.controls, headline, of_headline),
        "statistics": feature.statistics,
        "near_duplicates": feature.near_duplicates,
        "same_label": [],
        "imported": [],
        "cost": dict(cost),
        "provenance": {
            "run": run.id,
            "label_run": feature.label_run or run.id,
            "held_out": True if chosen is not None and chosen.contexts is not None else None,
            "carried": {score.key: score.details[CARRIED] for score in scores if CARRIED in score.details},
            "prompts": _prompts(chosen, scores, headline),
            "evidence": config.get("evidence"),
            "seed": config.get("seed"),
            "labeler": config.get("labeler"),
        },
    }


def _alternatives(chosen: Row[Any] | None, candidates: list[Row[Any]]) -> list[dict[str, Any]]:
    """The explanations beside the label that read otherwise, each text once (explainers agree, and so do halves)."""
    said = {reading(chosen.label)} if chosen is not None else set()
    found = []
    for other in candidates:
        if other is not chosen and reading(other.label) not in said:
            said.add(reading(other.label))
            found.append({"label": other.label, "explainer": other.explainer, "select": other.select})
    return found


def _prompts(chosen: Row[Any] | None, scores: list[Row[Any]], headline: str | None) -> dict[str, str]:
    """The prompts that made this very label, its headline score (as ``simulate``) and what judges said, by their keys."""
    prompts = {"explain": chosen.prompt if chosen is not None else None}
    for score in scores:
        if score.key == headline and score.key.startswith("simulation"):
            prompts["simulate"] = score.details.get("prompt")
        elif "." not in score.key:
            prompts[score.key] = score.details.get("prompt")
    return {stage: prompt for stage, prompt in prompts.items() if prompt is not None}


def _cost(row: Row[Any]) -> dict[str, Any]:
    """The sums over a feature's calls; without money where the price of one of them is unknown."""
    return {
        "usd": None if row.unpriced else row.usd,
        "input_tokens": row.input_tokens,
        "cached_tokens": row.cached_tokens,
        "output_tokens": row.output_tokens,
        "calls": row.calls,
    }
