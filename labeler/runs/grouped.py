"""Many small writes at once: what comes while one group is under way makes up the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

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
