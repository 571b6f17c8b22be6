"""What a process asks of and writes to the catalogue about calls: answers, reservations and settlements, in group commits.

Group commit: writes that arrive during one commit form the next.
"""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

from labeler.catalogue.records import CallRecord, Claim, Settlement, StoredAnswer
from labeler.catalogue.repository import Catalogue
from labeler.llm.errors import SpentError
from labeler.llm.protocol import OPEN, Reply, Turn, Usage

T = TypeVar("T")
R = TypeVar("R")

MOST = 500
"""How many items make up a group at most."""


class Grouped(Generic[T, R]):
    """A blocking function of many items, called for single ones from one event loop.

    An item that was handed over is done even where whoever handed it over no longer waits.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], threads: Executor) -> None:
        """``work`` runs in one of the ``threads``; it returns a result for each item, in order. What it raises, all of
        a group get."""
        self._work = work
        self._threads = threads
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """The item's result."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await future

    async def flush(self) -> None:
        """Until everything that was handed over is done, or has failed."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                items = [item for item, _ in group]
                results = await asyncio.get_running_loop().run_in_executor(self._threads, self._work, items)
            except Exception as error:  # whoever waits hears of it; the next group has its own chance
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)


WAIT_SECONDS = 0.25


class Ledger:
    """Belongs to one event loop; every promise that it makes is in the database when it returns."""

    def __init__(self, catalogue: Catalogue, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._catalogue = catalogue
        self._sleep = sleep
        self._lines: defaultdict[str, Line] = defaultdict(Line)
        # Threads of its own: what computes in the loop's may take all of those for seconds.
        self._threads = ThreadPoolExecutor(3, thread_name_prefix="ledger")
        self._find: Grouped[str, StoredAnswer | None] = Grouped(self._answers, self._threads)
        self._reserve: Grouped[CallRecord, bool] = Grouped(self._reserved, self._threads)
        self._settle: Grouped[Settlement, None] = Grouped(self._settled, self._threads)
        self._mark: Grouped[str, None] = Grouped(self._marked, self._threads)

    async def find(self, key: str) -> StoredAnswer | None:
        """The answer that is kept under a key."""
        return await self._find(key)

    async def reserve(self, call: CallRecord) -> None:
        """Puts down a call that is about to be made.

        Where the budget has no room for its worst case, this waits for open calls, of any worker, to give back what they
        did not need; of several features the one with the lowest index is served first, for it was begun first. Raises
        SpentError where no call is open any more.
        """
        line = self._lines[call.run_id]
        if line.is_first(call.index) and await self._reserve(call):
            return
        async with line.waiting(call.index):
            await line.until_first(call.index)
            while not await self._reserve(call):
                if not await asyncio.to_thread(self._catalogue.has_open_calls, call.run_id, time.time()):
                    # Between the two looks the last one may have been settled, so that there is room now.
                    if await self._reserve(call):
                        return
                    raise SpentError
                await self._sleep(WAIT_SECONDS)
                await line.until_first(call.index)

    async def settle(self, settlement: Settlement) -> None:
        """Puts down how a call ended, and keeps its reply."""
        await self._settle(settlement)

    async def useless(self, key: str) -> None:
        """Marks a kept answer as of no use."""
        await self._mark(key)

    async def close(self) -> None:
        """Until everything that was handed over is stored; it is not used afterwards."""
        for grouped in (self._reserve, self._settle, self._mark):
            await grouped.flush()
        self._threads.shutdown(wait=False)

    def _answers(self, keys: Sequence[str]) -> list[StoredAnswer | None]:
        found = self._catalogue.answers(keys)
        return [found.get(key) for key in keys]

    def _reserved(self, calls: Sequence[CallRecord]) -> list[bool]:
        refused = self._catalogue.reserve(calls)
        return [call.id not in refused for call in calls]

    def _settled(self, settlements: Sequence[Settlement]) -> list[None]:
        self._catalogue.settle(settlements)
        return [None] * len(settlements)

    def _marked(self, keys: Sequence[str]) -> list[None]:
        self._catalogue.mark_useless(keys)
        return [None] * len(keys)


class Line:
    """The features of a run whose calls wait for money, the lowest index first: none overtakes one before it.

    Small questions about features that are not begun yet would else take the room that a large one about another, which
    is nearly done, has to wait for.
    """

    def __init__(self) -> None:
        self._indices: list[int] = []
        self._left = asyncio.Event()

    def is_first(self, index: int) -> bool:
        """Whether nobody waits for a feature with a lower index."""
        return not self._indices or self._indices[0] >= index

    async def until_first(self, index: int) -> None:
        """Until it is this one's turn."""
        while not self.is_first(index):
            await self._left.wait()

    @asynccontextmanager
    async def waiting(self, index: int) -> AsyncIterator[None]:
        """Stands in line meanwhile."""
        insort(self._indices, index)
        try:
            yield
        finally:
            self._indices.remove(index)
            left, self._left = self._left, asyncio.Event()
            left.set()


TakeTurn = Callable[[Usage], AbstractAsyncContextManager[Turn]]


class RunAccount:
    """One claim's; see the protocol."""

    def __init__(
        self, ledger: Ledger, claim: Claim, backend: str, prompt: str, take_turn: TakeTurn, *, deferred: bool
    ) -> None:
        self.prompt = prompt
        self.deferred = deferred
        self._take_turn = take_turn
        self._ledger = ledger
        self._claim = claim
        self._backend = backend

    def turn(self, bound: Usage) -> AbstractAsyncContextManager[Turn]:
        """See the protocol."""
        return self._take_turn(bound)

    async def find(self, key: str) -> Reply | None:
        """See the protocol."""
        found = await self._ledger.find(key)
        return None if found is None else found.reply

    async def reserve(self, key: str, bound: Usage) -> str:
        """See the protocol."""
        call = CallRecord(
            run_id=self._claim.run_id,
            index=self._claim.index,
            stage=self._claim.stage,
            backend=self._backend,
            prompt=self.prompt,
            outcome=OPEN,
            key=key,
            input_tokens=bound.input_tokens,
            output_tokens=bound.output_tokens,
            usd=bound.usd,
        )
        await self._ledger.reserve(call)
        return call.id

    async def settle(self, call: str, outcome: str, usage: Usage | None, reply: Reply | None = None) -> None:
        """See the protocol."""
        await self._ledger.settle(Settlement(call=call, outcome=outcome, usage=usage, reply=reply))

    async def useless(self, key: str) -> None:
        """See the protocol."""
        await self._ledger.useless(key)
