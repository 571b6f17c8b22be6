"""What one run holds: its features, its chosen labels, one feature's candidates and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from labeler.catalogue.claims import chunks
from labeler.catalogue.records import CandidateRecord, ChosenLabel, ScoreRecord
from labeler.catalogue.sharing import reading
from labeler.catalogue.tables import CANDIDATES, CHOSEN, FEATURES, RUNS, SCORES
from labeler.sides import side_of


def chosen_labels(connection: Connection, run_id: str) -> list[ChosenLabel]:
    """The labels of all labelled features of a run, in index order."""
    rows = connection.execute(
        sa.select(
            FEATURES.c.index,
            FEATURES.c.near_duplicates,
            CANDIDATES.c.label,
            CANDIDATES.c.description,
            CANDIDATES.c.contexts.is_(None),
        )
        .join(CANDIDATES, CHOSEN)
        .where(FEATURES.c.run_id == run_id, FEATURES.c.state == "labelled")
        .order_by(FEATURES.c.index)
    )
    return [
        ChosenLabel(
            index=index,
            label=label,
            description=description,
            near_duplicates=tuple(near),
            side=side_of(label) if elsewhere else "input",
        )
        for index, near, label, description, elsewhere in rows
    ]


def indices(connection: Connection, run_id: str) -> list[int]:
    """All features of a run, in order."""
    query = sa.select(FEATURES.c.index).where(FEATURES.c.run_id == run_id).order_by(FEATURES.c.index)
    return list(connection.scalars(query))


def candidates(connection: Connection, run_id: str, index: int) -> list[CandidateRecord]:
    """The explanations of one feature, by position; none where there are none."""
    mine = sa.and_(CANDIDATES.c.run_id == run_id, CANDIDATES.c.index == index)
    rows = connection.execute(sa.select(CANDIDATES).where(mine).order_by(CANDIDATES.c.position))
    kept = CandidateRecord.__dataclass_fields__
    return [CandidateRecord(**{name: row._mapping[name] for name in kept}) for row in rows]


def of_other_runs(connection: Connection, run_ids: Sequence[str], index: int) -> list[tuple[str, str, str, str]]:
    """(run, label, description, explainer) of one feature's labels in some runs, in the order of these."""
    columns = FEATURES.c.run_id, CANDIDATES.c.label, CANDIDATES.c.description, CANDIDATES.c.explainer
    query = sa.select(*columns).join(CANDIDATES, CHOSEN)
    query = query.where(FEATURES.c.index == index, FEATURES.c.state == "labelled")
    place = {run_id: at for at, run_id in enumerate(run_ids)}
    found = [tuple(row) for row in connection.execute(query) if row.run_id in place]
    return sorted(found, key=lambda one: place[one[0]])  # type: ignore[arg-type, return-value]


def recognised(
    connection: Connection, dictionary: str, given: Mapping[int, Sequence[CandidateRecord]]
) -> dict[int, list[CandidateRecord]]:
    """Labels from elsewhere by feature, with the contexts that their maker was shown where one was made here.

    That is how our own export comes back: its labels cannot be scored on what they were made from.
    """
    shown: dict[tuple[int, str, str], Sequence[int]] = {}
    query = sa.select(CANDIDATES.c.index, CANDIDATES.c.label, CANDIDATES.c.description, CANDIDATES.c.contexts)
    query = query.join(RUNS, RUNS.c.id == CANDIDATES.c.run_id)
    query = query.where(RUNS.c.dictionary == dictionary, CANDIDATES.c.contexts.is_not(None))
    for some in chunks(sorted(given)):
        for index, label, description, contexts in connection.execute(query.where(CANDIDATES.c.index.in_(some))):
            shown[index, reading(label), reading(description)] = contexts
    return {
        index: [
            replace(candidate, contexts=shown.get((index, reading(candidate.label), reading(candidate.description))))
            for candidate in mine
        ]
        for index, mine in given.items()
    }


def scores(connection: Connection, run_id: str, index: int) -> list[ScoreRecord]:
    """The scores of one feature, by key; none where there are none."""
    query = sa.select(SCORES).where(SCORES.c.run_id == run_id, SCORES.c.index == index).order_by(SCORES.c.key)
    return [_score(row) for row in connection.execute(query)]


def _score(row: Row[Any]) -> ScoreRecord:
    fields = dict(row._mapping)
    del fields["run_id"], fields["index"]
    return ScoreRecord(**fields)
