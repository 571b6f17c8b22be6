"""Which run speaks for a feature: the newest in which it has a state, one in which it failed only where it failed in all."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from labeler.catalogue.claims import chunks
from labeler.catalogue.records import RunRecord
from labeler.catalogue.tables import FEATURES

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
