"""The catalogue in its database: everything that is asked of it and written to it goes through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import dropwhile
from pathlib import Path

from labeler.catalogue import answers, batches, calls, imported, labels, outcomes, progress, queue, requests, rows, runs
from labeler.catalogue.database import clean_text, open_engine, reading
from labeler.catalogue.migrations import upgrade
from labeler.catalogue.queue import chunks
from labeler.catalogue.records import (
    BatchRecord,
    BatchState,
    CallRecord,
    CandidateRecord,
    ChosenLabel,
    Claim,
    ControlOutcome,
    LabelOutcome,
    NewRun,
    PendingRecord,
    Progress,
    RunRecord,
    ScoreRecord,
    Settlement,
    Standing,
    StoredAnswer,
)
from labeler.catalogue.rows import Export
from labeler.errors import InputError
from labeler.llm.protocol import PendingRequest, Reply


class Catalogue:
    """Runs, leases, labels, scores and calls of one database.

    Every method is synchronous, one transaction, and may be called from any thread; between processes each has its own
    ``Catalogue``. Times are seconds since the epoch. Where a method takes a run's id, one that is not there raises
    InputError.
    """

    def __init__(self, place: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        """Opens the database, by its URL or SQLite's file, and brings its schema up to date.

        ``clock`` says when things were created and finished.

        Raises InputError where the database cannot be opened, in one line and without its password.
        """
        self._engine = open_engine(place)
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
            taken, idle = queue.claim(connection, n=n, lease_seconds=lease_seconds, now=now, run_ids=run_ids)
        for run_id in idle:
            self._close_run(run_id)
        return taken

    def claimable(self, now: float, run_ids: Sequence[str] | None = None) -> bool:
        """Whether there is work now, in any run or in those named: a feature, or a batch to see to."""
        with self._reader.connect() as connection:
            found, ended = queue.claimable(connection, now=now, run_ids=run_ids)
            found = found or batches.due(connection, now=now, run_ids=run_ids)
            found = found or batches.gatherable(connection, run_ids)
        # A worker that was killed right after its last finish left the run open.
        for run_id in ended:
            self._close_run(run_id)
        return found

    def extend(self, held: Sequence[Claim], lease_seconds: float, now: float) -> list[Claim]:
        """Prolongs leases to ``now + lease_seconds``; returns the claims that are still held."""
        with self._engine.begin() as connection:
            return queue.extend(connection, held, lease_seconds=lease_seconds, now=now)

    def release(self, held: Sequence[Claim], not_before: float, *, tried: bool = True) -> int:
        """Gives features back, for nobody to take before ``not_before``; returns how many were still held.

        The attempt counts, unless they were not ``tried`` to an end.
        """
        with self._engine.begin() as connection:
            return queue.release(connection, held, not_before=not_before, tried=tried)

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

    def answers(self, keys: Sequence[str]) -> dict[str, StoredAnswer]:
        """The replies that are kept under some keys."""
        with self._reader.connect() as connection:
            return answers.find(connection, keys)

    def mark_useless(self, keys: Sequence[str]) -> None:
        """Says of kept replies that they led nowhere: a retry of the feature they were bought for asks anew."""
        with self._engine.begin() as connection:
            answers.mark_useless(connection, keys)

    def reserve(self, records: Sequence[CallRecord]) -> set[str]:
        """Puts down calls that are about to be made, with their worst cases; the ids of those that have to be left.

        They are left where their run's budget has no room, in order, or where it is paused. One that was put down before
        is not counted again.
        """
        with self._engine.begin() as connection:
            return calls.reserve(connection, records)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Puts down how calls ended, keeps their replies, and wakes the features that wait for these.

        What a call did not need of its worst case is given back to its run. Settling twice is settling once.
        """
        with self._engine.begin() as connection:
            calls.settle(connection, settlements, now=self._clock())

    def has_open_calls(self, run_id: str, now: float) -> bool:
        """Whether a call of a run is being made, and may give back some of what it reserved."""
        with self._reader.connect() as connection:
            return calls.has_open(connection, run_id, now)

    def usual_answer(self, backend: str, prompt: str) -> float | None:
        """The mean tokens of a model's answers to a prompt (``name@version``); None where there are none."""
        with self._reader.connect() as connection:
            return calls.usual_answer(connection, backend, prompt)

    def park(self, claim: Claim, wanted: Sequence[PendingRequest]) -> bool:
        """Puts down the questions that a feature waits for, and gives up its lease: it is claimable again once all are
        answered. False, and nothing stored, where the lease was lost.
        """
        with self._engine.begin() as connection:
            return requests.park(connection, claim, wanted, now=self._clock())

    def requests(self, run_id: str) -> Iterator[PendingRecord]:
        """A run's questions that nobody has answered, by feature."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
        return requests.pending(self._reader, run_id)

    def put_answers(self, run_id: str, found: Sequence[tuple[str, Reply]]) -> int:
        """Stores answers that somebody else got to a run's questions, by key; how many were to pending ones."""
        with self._engine.begin() as connection:
            return requests.put_answers(connection, run_id, found, now=self._clock())

    def settled_down(self, run_id: str) -> bool:
        """Whether nothing of a run can be worked on before answers come."""
        with self._reader.connect() as connection:
            return batches.settled_down(connection, run_id)

    def gather(
        self, most: int, lease_seconds: float, now: float, run_ids: Sequence[str] | None = None
    ) -> BatchRecord | None:
        """A new batch of a run's pending requests, under a lease; None where there are not enough yet.

        There are enough when they fill a batch, or nothing of the run is left that could add to them.
        """
        with self._engine.begin() as connection:
            return batches.gather(connection, most, lease_seconds=lease_seconds, now=now, run_ids=run_ids)

    def claim_batch(self, now: float, lease_seconds: float, run_ids: Sequence[str] | None = None) -> BatchRecord | None:
        """The batch that has been due for longest, under a lease; None where none is due."""
        with self._engine.begin() as connection:
            return batches.claim(connection, lease_seconds=lease_seconds, now=now, run_ids=run_ids)

    def release_batch(self, batch: BatchRecord, not_before: float) -> None:
        """Gives a batch back as it is, for nobody to take before ``not_before``."""
        with self._engine.begin() as connection:
            batches.mark(connection, batch, None, None, not_before)

    def mark_batch(
        self,
        batch: BatchRecord,
        state: BatchState,
        *,
        provider_id: str | None = None,
        not_before: float | None = None,
    ) -> bool:
        """Puts down what is certain of a batch; with ``not_before`` its lease is given up. False where that was lost."""
        with self._engine.begin() as connection:
            return batches.mark(connection, batch, state, provider_id, not_before)

    def finish_batch(self, batch: BatchRecord) -> None:
        """Nothing more is to be done with a batch."""
        with self._engine.begin() as connection:
            batches.mark(connection, batch, "done", None, 0.0)

    def batch_requests(self, batch: BatchRecord) -> list[PendingRecord]:
        """The requests of a batch of which nothing has come yet.

        Of a new one, those alone that are to be sent: an answer that somebody else gets after that changes nothing.
        """
        if batch.state == "new":
            with self._engine.begin() as connection:
                batches.drop_answered(connection, batch, now=self._clock())
                return batches.requests(connection, batch)
        with self._reader.connect() as connection:
            return batches.requests(connection, batch)

    def split_batch(self, batch: BatchRecord, keys: Sequence[str], not_before: float) -> None:
        """Moves requests of an unsent batch into one that is due later."""
        with self._engine.begin() as connection:
            batches.split(connection, batch, keys, not_before=not_before, now=self._clock())

    def unship(self, batch: BatchRecord, keys: Sequence[str]) -> None:
        """Takes requests out of a batch: they wait for another."""
        with self._engine.begin() as connection:
            batches.unship(connection, batch, keys)

    def fail_requests(self, batch: BatchRecord, reasons: Mapping[str, str], *, again: bool) -> None:
        """Requests of a batch came to nothing, for a reason each: they travel again in a smaller one, or are given up."""
        with self._engine.begin() as connection:
            batches.fail(connection, batch, reasons, again=again, now=self._clock())

    def provider_ids(self, backend: str) -> list[str]:
        """What a model's provider has called our batches."""
        with self._reader.connect() as connection:
            return batches.provider_ids(connection, backend)

    def batch_counts(self, run_id: str) -> dict[str, int]:
        """A run's batches by their state."""
        with self._reader.connect() as connection:
            return progress.batch_counts(progress.query_of(connection), run_id)

    def labels(self, run_id: str) -> list[ChosenLabel]:
        """The chosen labels of a run's labelled features, in index order."""
        with self._reader.connect() as connection:
            runs.get(connection, run_id)
            return labels.chosen_labels(connection, run_id)

    def other_labels(self, dictionary: str, index: int, run_id: str) -> list[tuple[str, str, str, str]]:
        """(run, label, description, explainer) of a feature's labels in other runs than one, newest first; of those that
        read alike the newest. Imported labels, which are told apart from them, are not among them."""
        runs = self.runs(dictionary)
        others = [run.id for run in runs if run.id != run_id and not imported.is_of_imported(run)]
        with self._reader.connect() as connection:
            found = labels.of_other_runs(connection, [run_id, *others], index)
        by_reading = {(labels.reading(one[1]), labels.reading(one[2])): one for one in reversed(found)}
        return [one for one in found if one in by_reading.values() and one[0] != run_id]

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
            return progress.progress(progress.query_of(connection), run_id)

    def run(self, run_id_or_prefix: str, dictionary: str | None = None) -> RunRecord:
        """The run with this id, or the only one whose id begins so, of one dictionary where one is named.

        InputError where there is none or several; it names those that there are.
        """
        with self._reader.connect() as connection:
            return runs.find(connection, run_id_or_prefix, dictionary)

    def runs(self, dictionary: str | None = None) -> list[RunRecord]:
        """All runs, or those of one dictionary, newest first."""
        with self._reader.connect() as connection:
            return runs.newest_first(connection, dictionary)

    def cancel(self, run_id: str) -> bool:
        """Stops a running run: nothing of it is claimed any more, and what is in flight may still be stored.

        False where it is finished: nothing is left to be stopped.
        """
        with self._engine.begin() as connection:
            return runs.cancel(connection, run_id, now=self._clock())

    def pause(self, run_id: str, reason: str) -> None:
        """Stops a running run until ``resume``, for a reason that is kept with it."""
        with self._engine.begin() as connection:
            runs.pause(connection, run_id, reason)

    def resume(self, run_id: str, *, break_leases: bool = False, budget: float | None = None) -> None:
        """Lets a cancelled or paused run run again, and frees the leases of the run that have run out.

        With ``break_leases`` all of them, which is right only where no other worker exists; ``budget`` is the new one.
        """
        now = self._clock()
        with self._engine.begin() as connection:
            runs.resume(connection, run_id, break_leases=break_leases, budget=budget, now=now)
        self._close_run(run_id)

    def retry(self, run_id: str, kinds: Collection[str] | None = None) -> int:
        """Makes a run's failed features claimable again and the run run again; returns how many features those are.

        With ``kinds`` those alone whose failure is of one of them.
        """
        with self._engine.begin() as connection:
            return runs.retry(connection, run_id, kinds)

    def rows(
        self, dictionary: str, run_id: str | None = None, indices: Sequence[int] | None = None
    ) -> Iterator[Export]:
        """The exported rows of all features that have a state, or of those named, in index order, a page at a time.

        Without ``run_id``, of each feature the row of the newest run in which it has a state, one in which it failed only
        where it failed in all, and one over imported labels only where no other has a state for it. Raises InputError,
        at once, where the run is not there or is another dictionary's.
        """
        with self._reader.connect() as connection:
            chosen = [runs.get(connection, run_id)] if run_id is not None else self._telling(dictionary)
        if run_id is not None and chosen[0].dictionary != clean_text(dictionary):
            raise InputError(f"run '{run_id}' is of '{chosen[0].dictionary}', not of '{dictionary}'")
        return rows.stream(self._reader, chosen, indices)

    def standing(
        self, dictionary: str, indices: Sequence[int] | None = None, run_id: str | None = None
    ) -> Iterator[Standing]:
        """The labels that stand for a dictionary's features, or for those named, in index order; or those of one run.

        They are those of ``rows``; a feature without one is left out.
        """
        chosen = self._telling(dictionary) if run_id is None else [self.run(run_id)]
        return labels.standing(self._reader, chosen, indices)

    def ours(self, dictionary: str, given: Mapping[int, Sequence[CandidateRecord]]) -> Iterator[Standing]:
        """Of features for which one label came from elsewhere, those labels that stand and are that very one, made here,
        with a headline score that is a number; in index order."""
        return labels.ours(self._reader, self._telling(dictionary), given)

    def _telling(self, dictionary: str) -> list[RunRecord]:
        """The runs of a dictionary, newest first; those over imported labels stand behind those over our own."""
        return sorted(self.runs(dictionary), key=imported.is_of_imported)

    def keep_imported(
        self, dictionary: str, found: Mapping[int, Sequence[CandidateRecord]], *, anew: bool = False
    ) -> None:
        """Keeps labels that came with a dictionary's evidence; ``anew`` forgets those that were kept under its name."""
        with self._engine.begin() as connection:
            imported.keep(connection, clean_text(dictionary), found, anew=anew)

    def imported(
        self, dictionary: str, indices: Sequence[int] | None = None
    ) -> Iterator[tuple[int, list[CandidateRecord]]]:
        """The imported labels of all features that have any, or of those named, in index order, a page at a time."""
        name = clean_text(dictionary)
        for some in self._with_imported(name, indices):
            with self._reader.connect() as connection:
                yield from sorted(imported.labels(connection, name, some).items())

    def imported_shown(
        self, dictionary: str, indices: Sequence[int] | None = None
    ) -> Iterator[tuple[int, list[Export]]]:
        """The same as rows show them, with their newest scores."""
        name, told = clean_text(dictionary), self._telling(dictionary)
        for some in self._with_imported(name, indices):
            with self._reader.connect() as connection:
                yield from sorted(imported.shown(connection, name, told, some).items())

    def _with_imported(self, name: str, indices: Sequence[int] | None) -> Iterator[Sequence[int]]:
        with self._reader.connect() as connection:
            wanted = imported.indices(connection, name) if indices is None else sorted(set(indices))
        return chunks(wanted)

    def headlines(self, dictionary: str, run_id: str | None = None) -> Iterator[tuple[int, float]]:
        """(index, headline score) of the labels that stand, or of one run's, in index order; those without are left out."""
        return labels.headlines(self._reader, self.runs(dictionary) if run_id is None else [self.run(run_id)])

    def displaced(self, run_id: str) -> list[int]:
        """The features whose label of a run is not scored, and stands in the place of an older one that is; in order."""
        run = self.run(run_id)
        with self._reader.connect() as connection:
            bare = labels.unscored(connection, run)
        before = list(dropwhile(lambda one: one.id != run.id, self.runs(run.dictionary)))[1:]
        told = sorted(before, key=imported.is_of_imported)
        return [index for index, _ in labels.headlines(self._reader, told, bare)] if bare else []

    def _close_run(self, run_id: str) -> None:
        """Marks the run as finished where every feature is done.

        In a transaction after the one that finished a feature: of two workers that finish the last two at once,
        neither sees the other's before both are stored.
        """
        with self._reader.connect() as connection:
            if queue.has_open(connection, run_id):
                return
        with self._engine.begin() as connection:
            runs.close(connection, run_id, now=self._clock())
