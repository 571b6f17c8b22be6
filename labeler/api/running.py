"""A run: what was asked for, how far it is, and what came of it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeler.api.tools import check_broker, check_tools
from labeler.arguments import Features, Names, amount, check_called, index_of, indices_of, names_of, path_of
from labeler.errors import InputError
from labeler.notebook import watching
from labeler.options import Mode
from labeler.settings import Settings

# What a call needs is imported there: a look at a row should not have to wait for the SDKs of language models.
if TYPE_CHECKING:
    from labeler.catalogue.records import Activity, CandidateRecord, RunRecord, ScoreRecord
    from labeler.catalogue.records import Progress as RunProgress
    from labeler.catalogue.report import Report
    from labeler.catalogue.repository import Catalogue
    from labeler.pipeline.request_files import Taken

Watch = Callable[["RunProgress"], None]
"""Called a few times a second with where a run is."""


@dataclass(frozen=True)
class Run:
    """A labelling or scoring job; made by ``Dictionary.label`` or ``Dictionary.score``, or found by ``run``."""

    id: str
    dictionary: str
    _catalogue: Catalogue
    _settings: Settings = field(hash=False)

    def __repr__(self) -> str:
        progress = self.progress()
        of = f"{progress.done:,} of {progress.total:,} features done"
        return f"Run({self.id!r} of {self.dictionary!r}: {self._state(progress)}, {of})"

    @property
    def state(self) -> Activity:
        """What is happening to it, as ``labeler status`` tells it.

        ``running``, ``waiting`` (for a worker of the fleet, or for answers by file), ``stopped`` (nobody is at it; ``work``
        goes on), ``paused`` (``record.reason`` says why), ``cancelled`` or ``finished``.
        """
        return self._state(self.progress())

    def _state(self, progress: RunProgress) -> Activity:
        from labeler.catalogue.records import activity

        return activity(self.record, progress, time.time(), fleet=not self._settings.embedded)

    @property
    def record(self) -> RunRecord:
        """The run as it stands: state, configuration, times."""
        return self._catalogue.run(self.id)

    @property
    def explains(self) -> bool:
        """Whether it makes labels, and does not only score those that are there."""
        from labeler.pipeline.config import RunConfig

        return RunConfig.of(self.record.config).labels is None

    @property
    def makes(self) -> tuple[str, ...]:
        """The keys of the scores that it was asked for."""
        from labeler.pipeline.config import RunConfig

        return RunConfig.of(self.record.config).makes

    @property
    def mode(self) -> Mode:
        """How its hosted models are asked."""
        from labeler.pipeline.config import RunConfig

        return RunConfig.of(self.record.config).mode

    def batches(self) -> dict[str, int]:
        """Its batches by their state."""
        return self._catalogue.batch_counts(self.id)

    def export_requests(self, folder: str | Path) -> list[Path]:
        """Write what waits for an answer to files in OpenAI's batch form; InputError where nothing does."""
        from labeler.pipeline.request_files import export_requests

        return export_requests(self._catalogue, self.record, path_of(folder, "folder"))

    def import_answers(self, folder: str | Path) -> Taken:
        """Take answers from a folder's files of the same form; call ``work`` next.

        InputError where there is no such folder, or no file of answers in it.
        """
        from labeler.llm.providers.offline import open_offline
        from labeler.pipeline.request_files import import_answers

        opened = functools.cache(lambda name: open_offline(name, self._settings))
        place = path_of(folder, "folder")
        return import_answers(self._catalogue, self.record, place, lambda name, reply: opened(name).heard(reply))

    def progress(self) -> RunProgress:
        """How far it is and what it has cost."""
        return self._catalogue.progress(self.id)

    def rows(self, indices: Features | None = None) -> Iterator[dict[str, Any]]:
        """The run's exported rows, in index order; of some features, where they are given.

        InputError for a feature that it is not about.
        """
        wanted = None if indices is None else self._its(indices)
        return self._catalogue.rows(self.dictionary, run_id=self.id, indices=wanted)

    def report(self) -> Report:
        """What its labels add up to: states, mean scores with what is in none of them, by density, against the controls."""
        from labeler.catalogue.report import report

        return report(self.rows())

    def indices(self) -> list[int]:
        """The features it is about, whatever their state."""
        return self._catalogue.indices(self.id)

    def scores(self, index: int) -> list[ScoreRecord]:
        """Everything that is stored of one feature's scores; InputError where the run is not about it."""
        (one,) = self._its([index_of(index)])
        return self._catalogue.scores(self.id, one)

    def _its(self, features: Features) -> list[int]:
        mine = self.indices()
        wanted = indices_of(features, mine)
        if foreign := sorted(set(wanted).difference(mine)):
            raise InputError(f"run {self.id} is not about feature {foreign[0]}")
        return wanted

    def candidates(self, index: int) -> list[CandidateRecord]:
        """All explanations of one feature that it chose between, or made of halves of its documents."""
        return self._catalogue.candidates(self.id, index_of(index))

    def displaced(self) -> list[int]:
        """The features whose label of this run is not scored, and stands in the place of an older one that is."""
        return self._catalogue.displaced(self.id)

    def work(self, watch: Watch | None = None) -> RunProgress:
        """See the run to its end: with a worker in this process, or, where a broker is set, by the workers of the fleet.

        Interrupted, it gives back what was in flight; called again, it goes on. Returns the last progress. In a notebook
        it shows how far it is, where no ``watch`` is given, and in a script every
        ten seconds on stderr, unless the level of the logger ``labeler.progress`` is above information.
        """
        from labeler.pipeline.bench import open_bench
        from labeler.pipeline.worker_loop import wait

        check_called(watch, "watch", "where the run is")
        if self.record.state == "finished":
            return self.progress()
        if self._settings.embedded:
            check_tools(lambda backends: open_bench(self.record, self._settings, backends), self._settings)
        with self._worker(), watching(watch, "labelling" if self.explains else "scoring") as look:
            return wait(self._catalogue, self.id, look)

    def retry(self, kinds: Names | None = None) -> int:
        """Make the failed features claimable again, or those whose failure is of some kinds; how many there are.

        InputError for a kind that there is none of (``labeler.llm.errors.KINDS``).
        """
        from labeler.llm.errors import KINDS

        wanted = None if kinds is None else names_of(kinds, "kinds")
        unknown = next((kind for kind in wanted or () if kind not in KINDS), None)
        if unknown is not None:
            raise InputError(f"'{unknown}' is no kind of failure; there are: {', '.join(KINDS)}")
        return self._catalogue.retry(self.id, wanted)

    def resume(self, budget: float | None = None) -> None:
        """Let a cancelled or paused run go on, with another budget where one is given; call ``work`` next.

        InputError where a budget cannot be kept: what is committed is as much already, or a price is not known.
        """
        from labeler.pipeline.bench import open_bench

        budget = amount(budget)
        if budget is not None:
            record = self.record
            if not record.committed_usd < budget < float("inf"):
                raise InputError(
                    f"run {self.id} has spent or reserved ${record.committed_usd:.4f} already; give a larger `budget`"
                )
            check_tools(lambda backends: open_bench(record, self._settings, backends), self._settings, budget)
        self._catalogue.resume(self.id, budget=budget)

    def cancel(self) -> bool:
        """Stop it: nothing of it is taken up any more. False where it is finished already."""
        return self._catalogue.cancel(self.id)

    def ring(self) -> None:
        """Leave it to the workers of the fleet, and tell one that there is work; ``work`` rings by itself.

        InputError where no broker is set, or none that can be reached.
        """
        from labeler.workers.app import make_app, ring

        if self._settings.embedded:
            raise InputError("a run can be left to workers only where LABELER_BROKER_URL says where they listen")
        check_broker(self._settings)
        ring(make_app(self._settings))

    def _worker(self) -> AbstractContextManager[object]:
        if self._settings.embedded:
            return _embedded(self)
        self.ring()
        return nullcontext()


@contextmanager
def _embedded(run: Run) -> Iterator[None]:
    """An embedded worker for one run; leases that a killed process left behind are freed where no other can be alive."""
    from labeler.home import only_worker
    from labeler.workers.embedded import embedded_worker

    chosen = run._settings
    with only_worker(chosen.home) as alone:
        # In a database of its own a home has no other workers; in a shared one they have to be waited out.
        if alone and chosen.database_url is None and run.record.state == "running":
            run._catalogue.resume(run.id, break_leases=True)
        with embedded_worker(chosen, run.id):
            yield
