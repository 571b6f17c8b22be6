"""What a server will not take in a request, learned from its rejections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeVar

from labeler.llm.failures import RejectionError

T = TypeVar("T")

PROBE_SECONDS = 20.0
"""How long calls wait for the first one to tell how the server takes it."""


class Memory(Protocol):
    """Keeps lessons for later processes."""

    def recall(self) -> Collection[str]:
        """The parts that were not taken."""
        ...

    def remember(self, what: str) -> None:
        """Adds one."""
        ...


class Dialect:
    """Parts of a request that one server rejected; they are left out (or put otherwise) from then on.

    ``lessons`` maps a part to the pattern that a rejection of it matches. With ``probing``, of a server of which nobody
    knows whether it takes some part, one call finds out while the others wait: else as many would be made in vain, and
    paid where the server overlooks the part, as are under way at once.
    """

    def __init__(self, lessons: Mapping[str, str], *, memory: Memory | None = None, probing: bool = False) -> None:
        self._lessons = {part: re.compile(pattern, re.IGNORECASE) for part, pattern in lessons.items()}
        self._memory = memory
        self._probing = probing
        self._probe = asyncio.Lock()
        self._known = frozenset(self._lessons.keys() & set(memory.recall())) if memory else frozenset[str]()
        """The lessons that are in memory."""
        self.without: frozenset[str] = self._known
        """The parts that are left out."""
        self._taken: frozenset[str] = frozenset()
        """The parts that were accepted before."""

    def drop(self, part: str) -> None:
        """Leave a part out from now on."""
        self.without |= {part}

    def lesson(self, said: str, parts: Collection[str]) -> str | None:
        """The one of these parts that a rejection is about."""
        return next((part for part, pattern in self._lessons.items() if part in parts and pattern.search(said)), None)

    async def speak(self, send: Callable[[frozenset[str]], Awaitable[T]], offered: Collection[str]) -> T:
        """What ``send`` returns, called with the parts to leave out, and again after each rejection that teaches one.

        ``offered`` are the parts that the request has at all. A lesson is kept only once a request without the part
        was taken: rejections quote prompts, which may hold any word. Raises what ``send`` raises.
        """
        parts = frozenset(offered)
        if not self._is_new(parts):
            return await self._spoken(send, parts)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._probe.acquire()
        except TimeoutError:  # a slow server holds nobody up for longer
            return await self._spoken(send, parts)
        try:
            if self._is_new(parts):
                return await self._spoken(send, parts)
        finally:
            self._probe.release()
        return await self._spoken(send, parts)

    def _is_new(self, parts: frozenset[str]) -> bool:
        return self._probing and not parts <= self._taken | self.without

    async def _spoken(self, send: Callable[[frozenset[str]], Awaitable[T]], parts: frozenset[str]) -> T:
        without = self.without
        while True:
            try:
                answer = await send(without)
            except RejectionError as rejection:
                lesson = self.lesson(rejection.said, parts - without)
                if lesson is None:
                    raise
                without |= {lesson}
            else:
                self.without |= without
                self._taken |= parts - self.without
                self._remember()
                return answer

    def _remember(self) -> None:
        if self._memory is not None:
            for part in self.without - self._known:
                self._memory.remember(part)
            self._known |= self.without
