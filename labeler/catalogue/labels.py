"""The labels of a catalogue: what one run holds, which run's label is current, how another run takes labels over."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from labeler.catalogue.queue import CHUNK, chunks
from labeler.catalogue.records import CandidateRecord, ChosenLabel, RunRecord, ScoreRecord, Standing
from labeler.catalogue.tables import CANDIDATES, CHOSEN, FEATURES, SCORES
from labeler.metrics import null_percentile
from labeler.sides import side_of

ENOUGH = 20
"""Labels that a feature's own null has at least, for a percentile to be read off it."""

POOLED = 10
"""Labels that a run's pooled null has at least: a place among fewer goes by steps of more than ten per cent."""


def percentile(
    key: str, value: float | None, own: float | None, pooled: Mapping[str, list[float | None]] | None
) -> float | None:
    """The score's own null percentile, or its place in its run's pooled null where it has no null that is large enough.

    None where the pooled one is too small as well.
    """
    if own is not None:
        return own
    labels = (pooled or {}).get(key, [])
    return null_percentile(value, labels) if len(labels) >= POOLED else None


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
    return sorted(found, key=lambda one: place[one[0]])


def scores(connection: Connection, run_id: str, index: int) -> list[ScoreRecord]:
    """The scores of one feature, by key; none where there are none."""
    query = sa.select(SCORES).where(SCORES.c.run_id == run_id, SCORES.c.index == index).order_by(SCORES.c.key)
    return [_score(row) for row in connection.execute(query)]


def _score(row: Row[Any]) -> ScoreRecord:
    fields = dict(row._mapping)
    del fields["run_id"], fields["index"]
    return ScoreRecord(**fields)


_PAGE = 5_000
"""Indices read at once."""


def speaking(engine: Engine, runs: Sequence[RunRecord], indices: Sequence[int] | None) -> Iterator[tuple[int, int]]:
    """(index, place of its run) of all features that have a state, or of those named, in index order.

    ``runs`` are newest first. A page is read at a time.
    """
    last = None
    for index, _, place in heapq.merge(*(_of_run(engine, run.id, place, indices) for place, run in enumerate(runs))):
        if index != last:
            yield index, place
        last = index


def _of_run(engine: Engine, run_id: str, place: int, indices: Sequence[int] | None) -> Iterator[tuple[int, bool, int]]:
    """(index, whether it failed, place of the run) of a run's features that have a state, or of those named, in order."""
    query = sa.select(FEATURES.c.index, FEATURES.c.state == "failed")
    query = query.where(FEATURES.c.run_id == run_id, FEATURES.c.state.is_not(None))
    query = query.order_by(FEATURES.c.index)
    if indices is not None:
        for some in chunks(sorted(set(indices))):
            with engine.connect() as connection:
                page = connection.execute(query.where(FEATURES.c.index.in_(some))).all()
            yield from ((index, bool(failed), place) for index, failed in page)
        return
    last = -1
    while True:
        with engine.connect() as connection:
            page = connection.execute(query.where(FEATURES.c.index > last).limit(_PAGE)).all()
        if not page:
            return
        yield from ((index, bool(failed), place) for index, failed in page)
        last = page[-1][0]


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


def ours(
    engine: Engine, runs: Sequence[RunRecord], given: Mapping[int, Sequence[CandidateRecord]]
) -> Iterator[Standing]:
    """Of features for which one label came from elsewhere, the labels that ``runs`` leave standing and that are that very
    one: made here, with a headline score that is a number.

    That is how our own export comes back. Whatever else reads alike (an explanation that was not chosen, one of half of the
    documents, a label that has no score) is no label with a score of its own.
    """
    alone = {index: mine[0] for index, mine in given.items() if len(mine) == 1}
    found = (label for label in standing(engine, runs, sorted(alone)) if _same(label, alone[label.index]))
    while page := {label.index: label for label in islice(found, CHUNK)}:
        made = sa.and_(SCORES.c.run_id == FEATURES.c.run_id, SCORES.c.index == FEATURES.c.index)
        query = sa.select(FEATURES.c.run_id, FEATURES.c.index, SCORES.c.key).join(CANDIDATES, CHOSEN).join(SCORES, made)
        query = query.where(CANDIDATES.c.contexts.is_not(None), SCORES.c.value.is_not(None))
        of = FEATURES.c.run_id.in_({label.run_id for label in page.values()}), FEATURES.c.index.in_(page)
        with engine.connect() as connection:
            scored = {tuple(row) for row in connection.execute(query.where(*of))}
        yield from (one for one in page.values() if (one.run_id, one.index, one.headline) in scored)


def _same(one: Standing, other: CandidateRecord) -> bool:
    return (reading(one.label), reading(one.description)) == (reading(other.label), reading(other.description))


def unscored(connection: Connection, run: RunRecord) -> list[int]:
    """The features of a run whose label has a headline that was not scored, in order."""
    made = sa.and_(SCORES.c.run_id == FEATURES.c.run_id, SCORES.c.index == FEATURES.c.index)
    query = sa.select(FEATURES.c.index).join(SCORES, made).order_by(FEATURES.c.index)
    headline = sa.func.coalesce(FEATURES.c.headline, run.config.get("headline"))
    of = FEATURES.c.run_id == run.id, FEATURES.c.state == "labelled", SCORES.c.state == "unscored"
    return list(connection.scalars(query.where(*of, SCORES.c.key == headline)))


def headlines(
    engine: Engine, runs: Sequence[RunRecord], indices: Sequence[int] | None = None
) -> Iterator[tuple[int, float]]:
    """(index, headline score) of the labels that ``runs`` (newest first) leave standing, as far as it is a number."""
    found = standing(engine, runs, indices)
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


def reading(label: str) -> str:
    """What two labels have in common that read the same: their text without case and outer space."""
    return label.casefold().strip()


class Sharing:
    """The labels of near-duplicates, each read once however many features list it, so that groups may be large.

    Where several runs tell of a feature the one that speaks for it counts, as in the rows. A label that is stored while
    rows are read may or may not be noticed.
    """

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        """``runs`` are newest first."""
        self._places = {run.id: place for place, run in enumerate(runs)}
        self._readings: dict[int, str | None] = {}

    def look(self, connection: Connection, wanted: Iterable[int]) -> None:
        """Read the labels of features, of those that are not known yet."""
        missing = sorted(set(wanted) - self._readings.keys())
        query = (
            sa.select(FEATURES.c.index, FEATURES.c.state, FEATURES.c.run_id, CANDIDATES.c.label)
            .join(CANDIDATES, CHOSEN, isouter=True)
            .where(FEATURES.c.run_id.in_(self._places), FEATURES.c.state.is_not(None))
        )
        for some in chunks(missing):
            best: dict[int, tuple[bool, int]] = {}
            self._readings.update(dict.fromkeys(some))
            for index, state, run_id, label in connection.execute(query.where(FEATURES.c.index.in_(some))):
                rank = state == "failed", self._places[run_id]
                if index not in best or rank < best[index]:
                    best[index] = rank
                    self._readings[index] = reading(label) if label else None

    def same_label(self, row: Mapping[str, Any]) -> list[int]:
        """The near-duplicates of an exported row whose label reads as its own does; ``look`` comes first."""
        if not row["label"]:
            return []
        own = reading(row["label"])
        return [other for other in row["near_duplicates"] if self._readings.get(other) == own]
