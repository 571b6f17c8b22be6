"""What a server will not take in a request, learned from its rejections."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from labeler.llm.failures import RejectionError

T = TypeVar("T")


class Dialect:
    """Parts of a request that one server rejected; they are left out (or put otherwise) from then on.

    ``lessons`` maps a part to the pattern that a rejection of it matches.
    """

    def __init__(self, lessons: Mapping[str, str]) -> None:
        self._lessons = {part: re.compile(pattern, re.IGNORECASE) for part, pattern in lessons.items()}
        self._without: frozenset[str] = frozenset()

    def drop(self, part: str) -> None:
        """Leave a part out from now on."""
        self._without |= {part}

    async def speak(self, send: Callable[[frozenset[str]], Awaitable[T]], offered: Collection[str]) -> T:
        """What ``send`` returns, called with the parts to leave out, and again after each rejection that teaches one.

        ``offered`` are the parts that the request has at all. A lesson is kept only once a request without the part
        was taken: rejections quote prompts, which may hold any word. Raises what ``send`` raises.
        """
        without = self._without
        while True:
            try:
                answer = await send(without)
            except RejectionError as rejection:
                lesson = self._lesson(rejection.said, set(offered) - without)
                if lesson is None:
                    raise
                without |= {lesson}
            else:
                self._without |= without
                return answer

    def _lesson(self, said: str, parts: Collection[str]) -> str | None:
        return next((part for part, pattern in self._lessons.items() if part in parts and pattern.search(said)), None)
