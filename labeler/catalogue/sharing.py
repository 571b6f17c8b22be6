"""Which near-duplicates carry the same label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue.claims import chunks
from labeler.catalogue.records import RunRecord
from labeler.catalogue.tables import CANDIDATES, CHOSEN, FEATURES


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
