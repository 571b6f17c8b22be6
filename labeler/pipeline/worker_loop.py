"""Working off what is claimable: many features in flight at once, each under a lease that is kept alive."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from labeler.catalogue.records import CandidateRecord, Claim, ControlOutcome, LabelOutcome, Progress
from labeler.catalogue.repository import Catalogue
from labeler.errors import InputError, LabelerError
from labeler.llm.calls import at_once
from labeler.llm.errors import INTERNAL, SpentError
from labeler.llm.names import is_hosted
from labeler.llm.protocol import Account, PendingError, Recorder
from labeler.pipeline.batch_submission import Shipping
from labeler.pipeline.bench import Backends, Bench, open_bench
from labeler.pipeline.config import RunConfig, stored_null
from labeler.pipeline.feature import label
from labeler.pipeline.ledger import Ledger, RunAccount
from labeler.pipeline.null_pass import RunLabels, control
from labeler.progress import Stopped, wanted_until
from labeler.settings import Settings

INTERVAL = 0.3


def wait(catalogue: Catalogue, run_id: str, watch: Callable[[Progress], None] | None = None) -> Progress:
    """Look at a run until it is finished, cancelled or paused, telling ``watch`` each time; returns the last look.

    A run whose answers come through files is looked at until it can do no more without them.
    """
    offline = RunConfig.of(catalogue.run(run_id).config).mode == "offline"
    while True:
        state = catalogue.run(run_id).state
        stuck = offline and catalogue.settled_down(run_id)
        progress = catalogue.progress(run_id)
        if watch is not None:
            watch(progress)
        if state != "running" or stuck:
            return progress
        time.sleep(INTERVAL)


LEASE_SECONDS = 30.0
"""How long a killed worker's features stay its own."""

IN_FLIGHT = 64
"""Features that one process works on at once, at most: of a run with a budget only those that it is expected to finish."""

ATTEMPTS = 3
"""How often a feature is tried that ends in an error of ours."""

log = logging.getLogger(__name__)


class ToolsError(LabelerError):
    """This process lacks what a run needs: a key, an extra, the evidence."""


class Drain:
    """One stretch of work of one process, in one event loop."""

    def __init__(self, catalogue: Catalogue, settings: Settings, run_ids: Sequence[str] | None = None) -> None:
        """``run_ids`` keeps it to some runs."""
        self._catalogue = catalogue
        self._run_ids = run_ids
        self._settings = settings
        self._backends = Backends(settings)
        self._ledger = Ledger(catalogue)
        self._shipping = Shipping(catalogue, self._backends, run_ids)
        self._shipment: asyncio.Task[bool] | None = None
        self._benches: dict[str, Bench] = {}
        self._labels: dict[str, asyncio.Task[RunLabels]] = {}
        self._tasks: dict[asyncio.Task[None], Claim] = {}

    async def run(self, until: Callable[[], bool]) -> int:
        """Work until nothing is claimable or ``until`` says to stop; returns how many features came out of a stage.

        Batches are sent and fetched beside; one that a provider still works on is not waited for. What is in flight when
        it stops is given back at once, for others to take; its threads, which ask ``until`` too, stop behind a batch.
        """
        over = threading.Event()
        with wanted_until(lambda: over.is_set() or until()):
            try:
                return await self._run(until)
            finally:
                over.set()
                await self._stop()

    async def _run(self, until: Callable[[], bool]) -> int:
        finished, extended = 0, time.monotonic()
        while not until():
            if len(self._tasks) <= IN_FLIGHT * 3 // 4:
                await self._claim(IN_FLIGHT - len(self._tasks))
            shipped = self._ship()
            if not self._tasks:
                if not await shipped:
                    break
                continue
            done, _ = await asyncio.wait(self._tasks, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._tasks[task]
                if not task.cancelled():  # cancelled: its lease was lost
                    task.result()
            finished += len(done)
            if time.monotonic() - extended > LEASE_SECONDS / 4:
                await self._extend()
                extended = time.monotonic()
        return finished

    async def _claim(self, n: int) -> None:
        claims = await asyncio.to_thread(self._catalogue.claim, n, LEASE_SECONDS, time.time(), self._run_ids)
        for claim in claims:
            self._tasks[asyncio.create_task(self._work(claim))] = claim

    def _ship(self) -> asyncio.Task[bool]:
        """The shipment under way, or a new one: whether there was anything to ship."""
        if self._shipment is None or self._shipment.done():
            self._shipment = asyncio.create_task(self._shipping.step())
        return self._shipment

    async def _extend(self) -> None:
        held = await asyncio.to_thread(self._catalogue.extend, list(self._tasks.values()), LEASE_SECONDS, time.time())
        for task, claim in self._tasks.items():
            if claim not in held:  # somebody else has it by now: what we would find cannot be stored
                task.cancel()

    async def _stop(self) -> None:
        claims = list(self._tasks.values())
        tasks: list[asyncio.Task[Any]] = [*self._tasks]
        if self._shipment is not None:
            tasks.append(self._shipment)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        await self._ledger.close()
        if claims:
            await asyncio.to_thread(self._catalogue.release, claims, 0.0, tried=False)
        await self._backends.close()

    async def _work(self, claim: Claim) -> None:
        work: Callable[[Claim], Coroutine[Any, Any, None]]
        work = self._label if claim.stage == "label" else self._control
        try:
            await work(claim)
        except PendingError as error:
            await asyncio.to_thread(self._catalogue.park, claim, error.requests)
        except SpentError as error:
            await self._pause(claim, str(error))
        except Stopped:
            await asyncio.to_thread(self._catalogue.release, [claim], 0.0, tried=False)
        except ToolsError as error:  # another worker may have what this one lacks
            log.error("run %s cannot be worked on here: %s", claim.run_id, error)
            await asyncio.to_thread(self._catalogue.release, [claim], time.time() + LEASE_SECONDS, tried=False)
        except Exception as error:
            log.exception("feature %d of run %s, attempt %d", claim.index, claim.run_id, claim.attempts)
            await asyncio.to_thread(self._give_up, claim, f"internal error: {type(error).__name__}")

    async def _pause(self, claim: Claim, reason: str) -> None:
        await asyncio.to_thread(self._catalogue.pause, claim.run_id, reason)
        await asyncio.to_thread(self._catalogue.release, [claim], 0.0, tried=False)

    def _give_up(self, claim: Claim, reason: str) -> None:
        if claim.attempts < ATTEMPTS:
            self._catalogue.release([claim], time.time() + 2.0**claim.attempts)
        elif claim.stage == "label":
            self._catalogue.finish_label(claim, LabelOutcome(state="failed", reason=reason, failure=INTERNAL))
        else:
            self._catalogue.finish_control(claim, ControlOutcome(controls={"null": {"failed": reason}}))

    async def _label(self, claim: Claim) -> None:
        self._labels.pop(claim.run_id, None)  # the run has one more to come
        bench = await self._bench(claim.run_id)
        try:
            given = await asyncio.to_thread(self._given, claim) if bench.config.labels else []
            outcome = await label(bench, claim.index, self._recorder(bench, claim), given)
        except (PendingError, SpentError):
            raise
        except LabelerError as error:
            outcome = LabelOutcome(state="failed", reason=str(error), failure=error.kind)
        await asyncio.to_thread(self._catalogue.finish_label, claim, outcome)

    def _given(self, claim: Claim) -> list[CandidateRecord]:
        return self._catalogue.candidates(claim.run_id, claim.index)

    async def _control(self, claim: Claim) -> None:
        bench = await self._bench(claim.run_id)
        try:
            run = await asyncio.to_thread(self._catalogue.run, claim.run_id)
            labels = await self._chosen(claim.run_id)
            scores = await asyncio.to_thread(self._catalogue.scores, claim.run_id, claim.index)
            paid = stored_null(run.config)
            found = await control(bench, claim.index, labels, scores, paid, self._recorder(bench, claim))
        except (PendingError, SpentError):
            raise
        except LabelerError as error:  # the label and its scores stand; only its null is missing, and says so
            found = ControlOutcome(controls={"null": {"failed": str(error)}})
        await asyncio.to_thread(self._catalogue.finish_control, claim, found)

    async def _bench(self, run_id: str) -> Bench:
        if run_id not in self._benches:
            run = await asyncio.to_thread(self._catalogue.run, run_id)
            try:
                bench = open_bench(run, self._settings, self._backends)
                bench.check()
            except InputError as error:
                raise ToolsError(str(error)) from error
            self._benches[run_id] = bench
        return self._benches[run_id]

    async def _chosen(self, run_id: str) -> RunLabels:
        """The run's labels, read once: when its first control is claimed, its last label has been stored."""
        known = self._labels.get(run_id)
        if known is None or (known.done() and known.exception() is not None):
            self._labels[run_id] = asyncio.create_task(asyncio.to_thread(self._read_labels, run_id))
        return await asyncio.shield(self._labels[run_id])

    def _read_labels(self, run_id: str) -> RunLabels:
        return RunLabels.of(self._catalogue.labels(run_id))

    def _recorder(self, bench: Bench, claim: Claim) -> Recorder:
        def recorder(backend: str, prompt: str) -> Account:
            deferred = bench.config.mode != "direct" and is_hosted(backend)
            turn = at_once if deferred else self._backends.turn(backend)
            return RunAccount(self._ledger, claim, backend, prompt, turn, deferred=deferred)

        return recorder
