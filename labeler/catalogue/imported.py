"""Labels that came with somebody else's evidence: kept apart from our own, shown beside them, scored when asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue.labels import reading
from labeler.catalogue.queue import chunks
from labeler.catalogue.records import CandidateRecord, RunRecord
from labeler.catalogue.tables import CANDIDATES, CHOSEN, FEATURES, IMPORTED, SCORES

SOURCE = "imported"
"""Where the labels of a run come from that scores them."""

_SCORE = ("value", "low", "high", "n_contexts", "state")


def keep(
    connection: Connection, dictionary: str, found: Mapping[int, Sequence[CandidateRecord]], *, anew: bool
) -> None:
    """Adds labels to those of a dictionary; one that is there already is not added again. ``anew`` forgets those before."""
    if anew:
        connection.execute(sa.delete(IMPORTED).where(IMPORTED.c.dictionary == dictionary))
    for some in chunks(sorted(found)):
        known = labels(connection, dictionary, some)
        rows = []
        for index in some:
            here = known.get(index, [])
            said = {_said(one) for one in here}
            for one in found[index]:
                if _said(one) not in said:
                    said.add(_said(one))
                    rows.append(
                        {
                            "dictionary": dictionary,
                            "index": int(index),
                            "position": len(said) - 1,
                            "label": one.label,
                            "description": one.description,
                            "explainer": one.explainer,
                        }
                    )
        if rows:
            connection.execute(sa.insert(IMPORTED), rows)


def indices(connection: Connection, dictionary: str) -> list[int]:
    """The features that have such labels, in order."""
    query = sa.select(IMPORTED.c.index).where(IMPORTED.c.dictionary == dictionary).distinct().order_by(IMPORTED.c.index)
    return list(connection.scalars(query))


def labels(connection: Connection, dictionary: str, some: Sequence[int]) -> dict[int, list[CandidateRecord]]:
    """The labels of some features, at most ``CHUNK`` of them, in the order in which they came."""
    query = sa.select(IMPORTED).where(IMPORTED.c.dictionary == dictionary, IMPORTED.c.index.in_(some))
    found: dict[int, list[CandidateRecord]] = defaultdict(list)
    for row in connection.execute(query.order_by(IMPORTED.c.index, IMPORTED.c.position)):
        fields = row._mapping
        found[fields["index"]].append(
            CandidateRecord(
                label=fields["label"], description=fields["description"], explainer=fields["explainer"], contexts=None
            )
        )
    return dict(found)


def shown(
    connection: Connection, dictionary: str, runs: Sequence[RunRecord], some: Sequence[int]
) -> dict[int, list[dict[str, Any]]]:
    """The same as a row shows them, each with the scores that the newest of ``runs`` (newest first) has of it."""
    found = labels(connection, dictionary, some)
    scores = _scores(connection, [run.id for run in runs if is_of_imported(run)], sorted(found))
    return {
        index: [
            {
                "label": one.label,
                "description": one.description,
                "explainer": one.explainer,
                "side": one.side,
                "scores": scores.get((index, *_said(one)), {}),
            }
            for one in mine
        ]
        for index, mine in found.items()
    }


def is_of_imported(run: RunRecord) -> bool:
    """Whether a run scores imported labels; it tells of a feature only where no run with a label of our own does."""
    return bool(run.config.get("labelling", {}).get("labels") == SOURCE)


def _scores(
    connection: Connection, run_ids: Sequence[str], some: Sequence[int]
) -> dict[tuple[int, str, str, str], dict[str, dict[str, Any]]]:
    """By feature and what the label says the scores by key, of the newest run."""
    if not run_ids or not some:
        return {}
    made = sa.and_(SCORES.c.run_id == FEATURES.c.run_id, SCORES.c.index == FEATURES.c.index)
    query = (
        sa.select(
            FEATURES.c.run_id,
            FEATURES.c.index.label("at"),
            CANDIDATES.c.label,
            CANDIDATES.c.description,
            CANDIDATES.c.explainer,
            SCORES.c.key,
            *(SCORES.c[name] for name in _SCORE),
        )
        .join(CANDIDATES, CHOSEN)
        .join(SCORES, made)
        .where(FEATURES.c.run_id.in_(run_ids), FEATURES.c.index.in_(some))
        .order_by(SCORES.c.key)
    )
    newest: dict[tuple[int, str, str, str], dict[str, dict[str, Any]]] = {}
    place = {run_id: at for at, run_id in enumerate(run_ids)}
    best: dict[tuple[int, str, str, str], int] = {}
    for row in connection.execute(query):
        which = (row.at, reading(row.label), reading(row.description), row.explainer)
        at = place[row.run_id]
        if at > best.get(which, at):
            continue
        if at < best.get(which, at + 1):
            best[which], newest[which] = at, {}
        newest[which][row.key] = {name: row._mapping[name] for name in _SCORE}
    return newest


def _said(one: CandidateRecord) -> tuple[str, str, str]:
    return reading(one.label), reading(one.description), one.explainer
