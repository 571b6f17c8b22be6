"""The labels that stand in a catalogue, and how another run takes them over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from labeler.catalogue.claims import CHUNK
from labeler.catalogue.nulls import percentile
from labeler.catalogue.records import RunRecord, Standing
from labeler.catalogue.speaking import speaking
from labeler.catalogue.tables import CANDIDATES, CHOSEN, FEATURES, SCORES
from labeler.sides import side_of

CARRIED = "run"
"""In a score's details: the run that made it, where another one carries it on."""


def standing(engine: Engine, runs: Sequence[RunRecord], indices: Sequence[int] | None) -> Iterator[Standing]:
    """The labels that ``runs`` (newest first) leave standing, of all features or of some, in index order."""
    places = speaking(engine, runs, indices)
    while page := dict(islice(places, CHUNK)):
        found: list[Standing] = []
        for place in set(page.values()):
            run = runs[place]
            some = [index for index, at in page.items() if at == place]
            of_run = FEATURES.c.run_id == run.id, FEATURES.c.index.in_(some), FEATURES.c.state == "labelled"
            label = CANDIDATES.c.label, CANDIDATES.c.description, CANDIDATES.c.contexts.is_(None)
            query = sa.select(FEATURES.c.index, FEATURES.c.headline, *label).join(CANDIDATES, CHOSEN).where(*of_run)
            with engine.connect() as connection:
                rows = connection.execute(query).all()
            found += [
                Standing(
                    index=index,
                    run_id=run.id,
                    headline=headline or run.config.get("headline"),
                    label=text,
                    description=description,
                    side=side_of(text) if elsewhere else "input",
                )
                for index, headline, text, description, elsewhere in rows
            ]
        yield from sorted(found, key=lambda label: label.index)


def headlines(engine: Engine, runs: Sequence[RunRecord]) -> Iterator[tuple[int, float]]:
    """(index, headline score) of the labels that ``runs`` (newest first) leave standing, as far as it is a number."""
    found = standing(engine, runs, None)
    while page := list(islice(found, CHUNK)):
        by_run: dict[str, dict[int, str | None]] = {}
        for label in page:
            by_run.setdefault(label.run_id, {})[label.index] = label.headline
        values: dict[int, float] = {}
        for run_id, keys in by_run.items():
            query = sa.select(SCORES.c.index, SCORES.c.key, SCORES.c.value).where(
                SCORES.c.run_id == run_id, SCORES.c.index.in_(keys), SCORES.c.value.is_not(None)
            )
            with engine.connect() as connection:
                rows = connection.execute(query).all()
            values |= {index: value for index, key, value in rows if key == keys[index]}
        yield from sorted(values.items())


def take_over(connection: Connection, run_id: str, origin: RunRecord, indices: Sequence[int]) -> None:
    """Copies candidates, scores and controls of features of another run; at most ``CHUNK`` of them.

    The candidate that was chosen comes first. A score keeps the place in its run's null, and says which run made it.
    """

    def of(table: sa.Table) -> sa.Select[Any]:
        return sa.select(table).where(table.c.run_id == origin.id, table.c.index.in_(indices))

    features = {row._mapping["index"]: row for row in connection.execute(of(FEATURES))}
    kept = (
        sa.update(FEATURES)
        .where(FEATURES.c.run_id == run_id, FEATURES.c.index == sa.bindparam("at"))
        .values(label_run=sa.bindparam("made_by"), controls=sa.bindparam("known"))
    )
    connection.execute(
        kept,
        [
            {
                "at": index,
                "made_by": feature.label_run or origin.id,
                "known": {name: value for name, value in (feature.controls or {}).items() if name != "null"} or None,
            }
            for index, feature in features.items()
        ],
    )
    candidates = []
    for row in connection.execute(of(CANDIDATES)):
        fields = dict(row._mapping)
        chosen = features[fields["index"]].chosen
        before = fields["position"] < chosen
        position = 0 if fields["position"] == chosen else fields["position"] + before
        candidates.append(fields | {"run_id": run_id, "position": position})
    connection.execute(sa.insert(CANDIDATES), candidates)
    scores = []
    for row in connection.execute(of(SCORES)):
        fields = dict(row._mapping)
        placed = percentile(fields["key"], fields["value"], fields["null_percentile"], origin.nulls)
        details = {CARRIED: origin.id, **fields["details"]}
        scores.append(fields | {"run_id": run_id, "null_percentile": placed, "details": details})
    if scores:
        connection.execute(sa.insert(SCORES), scores)
