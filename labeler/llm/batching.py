"""Requests that come one by one, answered together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import count

from labeler.llm.errors import LLMError
from labeler.llm.protocol import Reply, Request

GATHER_SECONDS = 0.004
"""How long the first request waits for company; whatever comes while others are answered joins them at once."""

Outcome = Reply | Exception

Advance = Callable[[Mapping[int, Request], Collection[int]], Awaitable[Mapping[int, Outcome]]]
"""Goes one step on with all that it was given so far and has not answered.

It is given the newcomers, by name, and the names of those that nobody waits for any more; it returns those that came to
an end, and forgets them. After an error it has forgotten everything.
"""


class Batcher:
    """Hands on what is asked on one event loop while other requests are being answered, and gives out the answers.

    Its task lives only while something waits, so that a loop may end without anything being closed.
    """

    def __init__(self, advance: Advance) -> None:
        """What ``advance`` raises, everybody gets who waits for one of the requests that it was given."""
        self._advance = advance
        self._names = count()
        self._waiting: dict[int, Request] = {}
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Reply:
        """One request's answer; a caller that is cancelled takes nothing from the others."""
        name = next(self._names)
        future = self._asked[name] = asyncio.get_running_loop().create_future()
        self._waiting[name] = request
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
        await asyncio.sleep(GATHER_SECONDS)
        while self._asked:
            gone = {name for name, future in self._asked.items() if future.done()}
            newcomers = {name: request for name, request in self._waiting.items() if name not in gone}
            known = gone - self._waiting.keys()
            self._waiting.clear()
            for name in gone:
                del self._asked[name]
            asked = list(self._asked)
            if not asked and not known:
                return
            try:
                outcomes = await self._advance(newcomers, known)
            except Exception as error:  # those who asked hear of it, and the next ones have their own chance
                outcomes = dict.fromkeys(asked, error)
            for name, outcome in outcomes.items():
                future = self._asked.pop(name)
                if future.done():
                    continue
                if isinstance(outcome, Reply):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)

    def _abandon(self, task: asyncio.Task[None]) -> None:
        # Called at the task's end whatever ended it, even where it was cancelled before its first step.
        if not task.cancelled() and task.exception() is None:
            return
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LLMError("the language model was closed before it answered"))
        self._asked.clear()
        self._waiting.clear()
