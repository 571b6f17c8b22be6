"""What a process asks of and writes to the catalogue about calls, in groups: answers, reservations, settlements."""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from labeler.catalogue.records import CallRecord, Settlement, StoredAnswer
from labeler.catalogue.repository import Catalogue
from labeler.llm.errors import SpentError
from labeler.runs.grouped import Grouped

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
            await grouped.flush()  # type: ignore[attr-defined]
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
