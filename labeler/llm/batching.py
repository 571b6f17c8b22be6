"""Requests that come one by one, answered together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from labeler.llm.errors import LLMError
from labeler.llm.protocol import Reply, Request

BATCH = 16
"""The most requests that are answered together."""
GATHER_SECONDS = 0.004
"""How long a request waits for company."""

Outcome = Reply | Exception


class Batcher:
    """Collects what is asked on one event loop, hands it on in batches, one at a time, and gives out the answers.

    Its task lives only while something waits, so that a loop may end without anything being closed.
    """

    def __init__(self, answer: Callable[[Sequence[Request]], Awaitable[Sequence[Outcome]]]) -> None:
        """``answer`` returns one outcome a request, in their order; what it raises, every caller of the batch gets."""
        self._answer = answer
        self._waiting: deque[tuple[Request, asyncio.Future[Reply]]] = deque()
        self._running: list[tuple[Request, asyncio.Future[Reply]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Reply:
        """One request's answer; a caller that is cancelled takes nothing from the others."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
            self._task.add_done_callback(self._abandon)
        return await future

    async def close(self) -> None:
        """Those who still wait get an LLMError."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        while self._waiting:
            if len(self._waiting) < BATCH:
                await asyncio.sleep(GATHER_SECONDS)
            taken = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._running = [(request, future) for request, future in taken if not future.done()]
            if not self._running:
                continue
            try:
                outcomes = await self._answer([request for request, _ in self._running])
            except Exception as error:  # those who asked hear of it, and the next batch has its own chance
                outcomes = [error] * len(self._running)
            for (_, future), outcome in zip(self._running, outcomes, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, Reply):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)
            self._running = []

    def _abandon(self, task: asyncio.Task[None]) -> None:
        # Called at the task's end whatever ended it, even where it was cancelled before its first step.
        if not task.cancelled() and task.exception() is None:
            return
        for _, future in (*self._running, *self._waiting):
            if not future.done():
                future.set_exception(LLMError("the language model was closed before it answered"))
        self._running = []
        self._waiting.clear()
