"""Pending requests on their way through providers' batches, and back: every step can be killed and done again.

A batch is put down before anything of it is sent, so that after a kill somebody else knows what may have left: what is
``new`` has not, what is ``sending`` may have (the provider is asked), what is ``sent`` has and is looked at until it has
ended. Settling a request twice is settling it once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from labeler.catalogue.records import BatchRecord, CallRecord, PendingRecord, Settlement
from labeler.catalogue.repository import Catalogue
from labeler.errors import InputError, LabelerError
from labeler.llm.calls import ANSWERED
from labeler.llm.errors import NO_ROOM, BusyError, LLMError, MalformedError, OversizedError, TimedOutError
from labeler.llm.protocol import OPEN, UNKNOWN, Backend, BatchBackend, BatchLine, Reply, Usage

SHARD = 2_000
"""Requests of one batch at most: several of this size clear in minutes where a large one sits for hours."""

LEASE_SECONDS = 300.0
"""How long a batch stays with a worker that was killed while it saw to it."""

GROUP = 200
"""Replies that are stored at once."""

SOONEST, LATEST = 2.0, 60.0
"""Seconds between two looks at a batch: a tenth of its age, within these."""

AGAIN_SECONDS = 30.0
"""When a provider is tried again that could not be reached."""

log = logging.getLogger(__name__)


class OpenBackends(Protocol):
    """Gives a backend by its name."""

    def __call__(self, name: str) -> Backend:
        """InputError where it cannot be opened."""
        ...


class Shipping:
    """Sees to one batch at a time, and comes back to it when it is due; no worker waits for a provider."""

    def __init__(
        self,
        catalogue: Catalogue,
        backends: OpenBackends,
        run_ids: Sequence[str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``run_ids`` keeps it to some runs."""
        self._catalogue = catalogue
        self._backends = backends
        self._run_ids = run_ids
        self._clock = clock

    async def step(self) -> bool:
        """See to the batch that is due, or gather a new one; whether there was any."""
        batch = await asyncio.to_thread(self._next)
        if batch is None:
            return False
        try:
            await self._see_to(batch)
        except OversizedError as error:  # so it would be the next time
            await self._refused(batch, error)
        except (BusyError, TimedOutError, MalformedError) as error:  # it is away, cannot tell yet, or speaks in riddles
            log.warning("batch %s: %s; it is looked at again", batch.id, error)
            await asyncio.to_thread(self._catalogue.release_batch, batch, self._clock() + AGAIN_SECONDS)
        except (LLMError, InputError) as error:
            await self._refused(batch, error)
        except asyncio.CancelledError:  # this worker is told to stop: the next one need not wait for the lease
            await asyncio.to_thread(self._catalogue.release_batch, batch, self._clock())
            raise
        return True

    def _next(self) -> BatchRecord | None:
        now = self._clock()
        batch = self._catalogue.claim_batch(now, LEASE_SECONDS, self._run_ids)
        return batch or self._catalogue.gather(SHARD, LEASE_SECONDS, now, self._run_ids)

    async def _see_to(self, batch: BatchRecord) -> None:
        backend = cast(BatchBackend, self._backends(batch.backend))
        if not hasattr(backend, "submit"):
            raise InputError(f"{batch.backend} has no batches; ask it directly")
        if batch.state == "new":
            await self._send_new(batch, backend)
        elif batch.state == "sending":
            await self._send_again(batch, backend)
        else:
            await self._fetch(batch, backend)

    async def _send_new(self, batch: BatchRecord, backend: BatchBackend) -> None:
        """Reserves the money, puts down that it is being sent, and sends it."""
        requests = await asyncio.to_thread(self._catalogue.batch_requests, batch)
        if not requests:  # all of them were answered meanwhile
            await asyncio.to_thread(self._catalogue.finish_batch, batch)
            return
        calls = [_call(batch, one, backend.batch_discount) for one in requests]
        refused = await asyncio.to_thread(self._catalogue.reserve, calls)
        unpaid = [one.key for one, call in zip(requests, calls, strict=True) if call.id in refused]
        if len(unpaid) == len(requests):
            await self._unpaid(batch, unpaid)
            return
        if unpaid:  # they wait, in a batch of their own, for what others give back
            await asyncio.to_thread(self._catalogue.split_batch, batch, unpaid, self._clock() + AGAIN_SECONDS)
        if not await asyncio.to_thread(self._catalogue.mark_batch, batch, "sending"):
            return  # somebody else sees to it by now
        await self._send(batch, backend, [one for one in requests if one.key not in set(unpaid)])

    async def _unpaid(self, batch: BatchRecord, keys: Sequence[str]) -> None:
        """The budget has no room for any of it: it waits while open calls may give some back, else the run stops."""
        if await asyncio.to_thread(self._catalogue.has_open_calls, batch.run_id, self._clock()):
            await asyncio.to_thread(self._catalogue.release_batch, batch, self._clock() + AGAIN_SECONDS)
            return
        await asyncio.to_thread(self._catalogue.unship, batch, keys)
        await asyncio.to_thread(self._catalogue.finish_batch, batch)
        await asyncio.to_thread(self._catalogue.pause, batch.run_id, NO_ROOM)

    async def _send_again(self, batch: BatchRecord, backend: BatchBackend) -> None:
        """Somebody was killed while sending it: the provider says whether it arrived."""
        requests = await asyncio.to_thread(self._catalogue.batch_requests, batch)
        known = await asyncio.to_thread(self._catalogue.provider_ids, batch.backend)
        found = await backend.find(batch.id, len(requests), batch.created_at, known)
        if found is not None:
            await self._sent(batch, found)
            return
        # Nothing left: from the start again, where its run still runs, and without what was answered meanwhile.
        await asyncio.to_thread(lambda: self._catalogue.mark_batch(batch, "new", not_before=self._clock()))

    async def _send(self, batch: BatchRecord, backend: BatchBackend, requests: Sequence[PendingRecord]) -> None:
        bodies = {custom_id(batch.id, one.key): dict(one.body) for one in requests}
        await self._sent(batch, await backend.submit(batch.id, bodies))

    async def _sent(self, batch: BatchRecord, provider_id: str) -> None:
        log.info("batch %s of run %s is with its provider as %s", batch.id, batch.run_id, provider_id)
        await asyncio.to_thread(
            lambda: self._catalogue.mark_batch(
                batch, "sent", provider_id=provider_id, not_before=self._clock() + SOONEST
            )
        )

    async def _fetch(self, batch: BatchRecord, backend: BatchBackend) -> None:
        """Takes what came of an ended batch; what did not come of it is sent again, in smaller ones, or given up."""
        assert batch.provider_id is not None
        look = await backend.look(batch.provider_id)
        if not look.ended:
            wait = min(LATEST, max(SOONEST, (self._clock() - batch.created_at) / 10))
            await asyncio.to_thread(self._catalogue.release_batch, batch, self._clock() + wait)
            return
        requests = await asyncio.to_thread(self._catalogue.batch_requests, batch)
        left = {custom_id(batch.id, one.key): one for one in requests}
        lines: list[tuple[PendingRecord, BatchLine]] = []
        async for line in backend.results(batch.provider_id):
            one = left.pop(line.custom_id, None)  # answered before, by an earlier fetch that was killed, or doubled
            if one is not None:
                lines.append((one, line))
            if len(lines) >= GROUP:
                await asyncio.to_thread(self._store, batch, lines)
                lines = []
        unsaid = look.reason or "the provider's results do not name it"
        for name, one in left.items():
            unnamed = BatchLine(custom_id=name, reason=unsaid, again=True, maybe_billed=look.reason is None)
            lines.append((one, unnamed))
        await asyncio.to_thread(self._store, batch, lines)
        await asyncio.to_thread(self._catalogue.finish_batch, batch)

    def _store(self, batch: BatchRecord, lines: Sequence[tuple[PendingRecord, BatchLine]]) -> None:
        # Money first: once a request has left its batch, nobody would think of its call any more.
        self._catalogue.settle([_settlement(batch, one, line) for one, line in lines])
        failed = [(one.key, line) for one, line in lines if line.reply is None]
        for again in (True, False):
            reasons = {key: line.reason or "no reason was given" for key, line in failed if line.again is again}
            if reasons:
                self._catalogue.fail_requests(batch, reasons, again=again)

    async def _refused(self, batch: BatchRecord, error: LabelerError) -> None:
        """The provider does not take it, or this process cannot ask it: the run stops here and says why."""
        log.error("batch %s of run %s: %s", batch.id, batch.run_id, error)
        if batch.state != "new":  # it may be out: what is paid has to be fetched, by whoever can
            await asyncio.to_thread(self._catalogue.release_batch, batch, self._clock() + AGAIN_SECONDS)
            await asyncio.to_thread(self._catalogue.pause, batch.run_id, str(error))
            return
        requests = await asyncio.to_thread(self._catalogue.batch_requests, batch)
        unbilled = [
            Settlement(call=custom_id(batch.id, one.key), outcome="rejected", usage=None, reply=None)
            for one in requests
        ]
        await asyncio.to_thread(self._catalogue.settle, unbilled)
        await asyncio.to_thread(self._catalogue.unship, batch, [one.key for one in requests])
        await asyncio.to_thread(self._catalogue.finish_batch, batch)
        await asyncio.to_thread(self._catalogue.pause, batch.run_id, str(error))


def custom_id(batch_id: str, key: str) -> str:
    """A request's name in a batch, which is the id of its call: the same however often it is made."""
    return f"{batch_id}-{key[:32]}"


def _call(batch: BatchRecord, request: PendingRecord, share: float) -> CallRecord:
    usd = request.bound_usd
    return CallRecord(
        id=custom_id(batch.id, request.key),
        run_id=batch.run_id,
        index=request.index,
        stage=request.stage,
        backend=batch.backend,
        prompt=request.prompt,
        outcome=OPEN,
        mode="batch",
        key=request.key,
        input_tokens=request.bound_input,
        output_tokens=request.bound_output,
        usd=None if usd is None else share * usd,
    )


def _settlement(batch: BatchRecord, request: PendingRecord, line: BatchLine) -> Settlement:
    call = custom_id(batch.id, request.key)
    if line.reply is None and line.maybe_billed:  # without a price: its worst case stands
        bound = Usage(input_tokens=request.bound_input, output_tokens=request.bound_output, usd=None)
        return Settlement(call=call, outcome=UNKNOWN, usage=bound, reply=None)
    if line.reply is None:
        return Settlement(call=call, outcome="failed", usage=None, reply=None)
    return Settlement(call=call, outcome=_outcome(line.reply), usage=_usage(line.reply), reply=line.reply)


def _outcome(reply: Reply) -> str:
    return ANSWERED if reply.stop == "end" else reply.stop


def _usage(reply: Reply) -> Usage | None:
    return None if reply.stop == "rejected" else reply.usage
