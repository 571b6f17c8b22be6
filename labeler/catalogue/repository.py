"""The catalogue in its database: everything that is asked of it and written to it goes through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from labeler.catalogue import calls, claims, labels, outcomes, progress, rows, runs, standing
from labeler.catalogue.columns import clean_text
from labeler.catalogue.engine import open_engine, reading
from labeler.catalogue.migrations import upgrade
from labeler.catalogue.records import (
    CallRecord,
    CandidateRecord,
    ChosenLabel,
    Claim,
    ControlOutcome,
    LabelOutcome,
    NewRun,
    Progress,
    RunRecord,
    ScoreRecord,
    Standing,
)
from labeler.catalogue.rows import Export
from labeler.errors import InputError


class Catalogue:
    """Runs, leases, labels, scores and calls of one database.

    Every method is synchronous, one transaction, and may be called from any thread; between processes each has its own
    ``Catalogue``. Times are seconds since the epoch. Where a method takes a run's id, one that is not there raises
    InputError.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        """Opens the database and brings its schema up to date; ``clock`` says when things were created and finished.

        Raises InputError where the database cannot be opened, in one line and without its password.
        """
        self._engine = open_engine(url)
        self._reader = reading(self._engine)
        self._clock = clock
        upgrade(self._engine)

    def close(self) -> None:
        """Gives back the connections."""
        self._engine.dispose()

    def create_run(self, run: NewRun) -> str:
        """Stores a run with all its features, given labels too, and returns its id, 12 hexadecimal characters.

        Raises InputError where it has no features or the same one twice.
        """
        with self._engine.begin() as connection:
            return runs.create(connection, run, now=self._clock())

    def claim(self, n: int, lease_seconds: float, now: float, run_ids: Sequence[str] | None = None) -> list[Claim]:
        """Leases up to ``n`` features to the caller until ``now + lease_seconds``; none is ever held by two.

        Older runs come first, in each run labels before controls (which wait until no label of the run is to come), and
        lower indices first. Features whose lease has run out are taken again. With ``run_ids``, of those runs only.
        """
        with self._engine.begin() as connection:
            taken, idle = claims.claim(connection, n=n, lease_seconds=lease_seconds, now=now, run_ids=run_ids)
        for run_id in idle:
            self._close_run(run_id)
        return taken

    def claimable(self, now: float, run_ids: Sequence[str] | None = None) -> bool:
        """Whether ``claim`` would find anything now, in any run or in those named."""
        with self._reader.connect() as connection:
            found, ended = claims.claimable(connection, now=now, run_ids=run_ids)
        # A worker that was killed right after its last finish left the run open.
        for run_id in ended:
            self._close_run(run_id)
        return found

    def extend(self, held: Sequence[Claim], lease_seconds: float, now: float) -> list[Claim]:
        """Prolongs leases to ``now + lease_seconds``; returns the claims that are still held."""
        with self._engine.begin() as connection:
            return claims.extend(connection, held, lease_seconds=lease_seconds, now=now)

    def release(self, held: Sequence[Claim], not_before: float, *, tried: bool = True) -> int:
        """Gives features back, for nobody to take before ``not_before``; returns how many were still held.

        The attempt counts, unless they were not ``tried`` to an end.
        """
        with self._engine.begin() as connection:
            return claims.release(connection, held, not_before=not_before, tried=tried)

    def finish_label(self, claim: Claim, outcome: LabelOutcome) -> bool:
        """Stores how a labelling ended, with all candidates and scores, and gives up the lease.

        What has scores waits for its control, the rest is done. False, and nothing stored, where the lease was lost.
        """
        with self._engine.begin() as connection:
            stored = outcomes.finish_label(connection, claim, outcome, now=self._clock())
        self._close_run(claim.run_id)
        return stored

    def finish_control(self, claim: Claim, outcome: ControlOutcome) -> bool:
        """Stores what a control pass found and gives up the lease: the feature is done.

        False, and nothing stored, where the lease was lost.
        """
        with self._engine.begin() as connection:
            stored = outcomes.finish_control(connection, claim, outcome, now=self._clock())
        self._close_run(claim.run_id)
        return stored

    def record_calls(self, records: Sequence[CallRecord]) -> None:
        """Stores calls; one recorded again under its id replaces what was there, so that nothing counts twice."""
        with self._engine.begin() as connection:
            calls.record(connection, records)

    def labels(self, run_id: str) -> list[ChosenLabel]:
        """The chosen labels of a run's labelled features, in index order."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
            return labels.chosen_labels(connection, run_id)

    def indices(self, run_id: str) -> list[int]:
        """The features that a run is about, in order."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
            return labels.indices(connection, run_id)

    def candidates(self, run_id: str, index: int) -> list[CandidateRecord]:
        """The explanations of one feature in one run, by position: those it was given, before it has a state."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
            return labels.candidates(connection, run_id, index)

    def scores(self, run_id: str, index: int) -> list[ScoreRecord]:
        """The scores of one feature in one run, by key; none where it has none."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
            return labels.scores(connection, run_id, index)

    def progress(self, run_id: str) -> Progress:
        """How far a run is and what it has cost."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
            return progress.progress(connection, run_id)

    def run(self, run_id_or_prefix: str) -> RunRecord:
        """The run with this id, or the only one whose id begins so; InputError where there is none or several."""
        with self._reader.connect() as connection:
            return runs.find(connection, run_id_or_prefix)

    def runs(self, dictionary: str | None = None) -> list[RunRecord]:
        """All runs, or those of one dictionary, newest first."""
        with self._reader.connect() as connection:
            return runs.newest_first(connection, dictionary)

    def cancel(self, run_id: str) -> None:
        """Stops a running run: nothing of it is claimed any more, and what is in flight may still be stored."""
        with self._engine.begin() as connection:
            runs.cancel(connection, run_id)

    def resume(self, run_id: str, *, break_leases: bool = False) -> None:
        """Lets a cancelled run run again, and frees the leases of the run that have run out.

        With ``break_leases`` all of them, which is right only where no other worker exists.
        """
        now = self._clock()
        with self._engine.begin() as connection:
            runs.resume(connection, run_id, break_leases=break_leases, now=now)
        self._close_run(run_id)

    def retry(self, run_id: str) -> int:
        """Makes a run's failed features claimable again and the run run again; returns how many features those are."""
        with self._engine.begin() as connection:
            return runs.retry(connection, run_id)

    def rows(
        self, dictionary: str, run_id: str | None = None, indices: Sequence[int] | None = None
    ) -> Iterator[Export]:
        """The exported rows of all features that have a state, or of those named, in index order, a page at a time.

        Without ``run_id``, of each feature the row of the newest run in which it has a state, one in which it failed only
        where it failed in all. Raises InputError, at once, where the run is not there or is another dictionary's.
        """
        with self._reader.connect() as connection:
            chosen = [runs.get(connection, run_id)] if run_id is not None else runs.newest_first(connection, dictionary)
        if run_id is not None and chosen[0].dictionary != clean_text(dictionary):
            raise InputError(f"run '{run_id}' is of '{chosen[0].dictionary}', not of '{dictionary}'")
        return rows.stream(self._reader, chosen, indices)

    def standing(self, dictionary: str, indices: Sequence[int] | None = None) -> Iterator[Standing]:
        """The labels that stand for a dictionary's features, or for those named, in index order.

        They are those of ``rows``; a feature without one is left out.
        """
        return standing.standing(self._reader, self.runs(dictionary), indices)

    def _close_run(self, run_id: str) -> None:
        """Marks the run as finished where every feature is done.

        In a transaction after the one that finished a feature: of two workers that finish the last two at once,
        neither sees the other's before both are stored.
        """
        with self._reader.connect() as connection:
            if claims.has_open(connection, run_id):
                return
        with self._engine.begin() as connection:
            runs.close(connection, run_id, now=self._clock())
