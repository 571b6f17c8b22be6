"""How much a model at a server takes in and writes, learned from what it took, cut and refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable

from labeler.llm.bounds import FRAMING_TOKENS
from labeler.llm.errors import TooLongError
from labeler.llm.failures import RejectionError
from labeler.llm.lengths import excess
from labeler.llm.protocol import Reply, Request
from labeler.llm.servers import ServerMemory
from labeler.llm.thoughts import is_begun

MOST_TOKENS = 32_000
"""Room is given to no answer beyond this, however much its model thinks."""
LITTLE = 100
"""Tokens of thinking that are none: what an answer takes cannot be told from outside to the token."""
MARGIN, GROWTH = 1.5, 2.0
"""What the room for thinking is of the most that was thought for an answer, and of what was cut in thought."""

RESIZED = 4
"""How often a request is sent at most, each time with less room."""

TOKENS_A_BYTE = 0.3
"""Of a prompt, before any was counted."""
WEIGHT = 0.2
"""How much the last count weighs in the running mean of it."""
UNTOLD = 0.75
"""What is taken for the context of a model of what it refused, where it does not say how much it takes."""


class Sizes:
    """What is known of one model at one server; room for thinking and the length that fits, kept in ``memory``.

    A length that a server tells is believed once something shorter was taken: rejections quote prompts, which may hold
    any words.
    """

    def __init__(self, *, thinking: int = 0, context: int | None = None, memory: ServerMemory | None = None) -> None:
        """``thinking`` tokens are always left for that; ``context`` is what the user says of the model."""
        found = memory.recall() if memory is not None else {}
        known = {what: one.value for what, one in found.items() if one.value is not None}
        self._thinking = max(thinking, min(MOST_TOKENS, round(known.get("thinking", 0))))
        self._context = context or known.get("context")
        self._written = known.get("written", math.inf)
        self._memory = memory
        self._rate, self._is_counted = TOKENS_A_BYTE, False
        self._refused: tuple[float, str] | None = None
        """A context that would explain the last rejection, and its words."""

    def room(self, request: Request, n_bytes: int) -> int:
        """The most tokens that the answer to a request of so many bytes is given, thinking included."""
        if request.room is not None:
            return request.room
        most = max(MOST_TOKENS, request.max_tokens)
        room = min(most, request.max_tokens + self._thinking)
        if self._context is not None:
            room = min(room, max(_least(request), int(self._context - self._rate * n_bytes)))
        return int(min(room, self._written))

    def fits(self, request: Request, n_bytes: int) -> bool:
        """Whether a request of so many bytes is taken, with room for its answer and for thinking."""
        if self._context is None:
            return True
        thinking = min(self._thinking, self._context / 2)
        return self._rate * n_bytes + request.max_tokens + thinking <= self._context

    async def ask(self, send: Callable[[Request], Awaitable[Reply]], request: Request, n_bytes: int) -> Reply:
        """What ``send`` returns for a request whose room is settled, with less of it after rejections of so much.

        Raises what ``send`` raises, TooLongError where the server says that the request is too long.
        """
        for left in reversed(range(RESIZED)):
            try:
                reply = await send(request)
            except RejectionError as rejection:
                room = self.smaller(rejection, request, n_bytes)
                if room is None or not left:
                    raise
                request = dataclasses.replace(request, room=room)
            else:
                break
        self.heard(reply, request, n_bytes)
        return reply

    def heard(self, reply: Reply, request: Request | None = None, n_bytes: int = 0) -> None:
        """Learns from a reply; of one that comes later, in a batch or a file, the request is not at hand."""
        if reply.stop == "end" and reply.thought >= LITTLE:
            self._think(MARGIN * reply.thought)
        elif reply.stop == "truncated" and reply.usage.output_tokens >= LITTLE and not is_begun(reply.text):
            self._think(GROWTH * reply.usage.output_tokens)
        if request is None:
            total = reply.usage.input_tokens + reply.usage.output_tokens
            if self._refused is not None and 0 < total <= self._refused[0]:
                self._know("context", self._context, *self._refused)
                self._refused = None
            return
        if n_bytes and reply.usage.input_tokens:
            self._count(min(reply.usage.input_tokens, n_bytes + FRAMING_TOKENS) / n_bytes)
        taken = (reply.usage.input_tokens or self._rate * n_bytes) + self.room(request, n_bytes)
        if self._context is not None and reply.stop != "truncated" and taken > self._context:
            self._know("context", self._context, taken)
        elif self._refused is not None and taken <= self._refused[0]:
            self._know("context", self._context, *self._refused)
            self._refused = None

    def smaller(self, rejection: RejectionError, request: Request, n_bytes: int) -> int | None:
        """The room to try in the place of the one that was rejected; None where that is not what was rejected.

        Raises TooLongError where the prompt is too long with the least room as well.
        """
        said = excess(rejection.said, rejection.status)
        room = self.room(request, n_bytes)
        if said is None:
            return None
        if said.written is not None:
            if not 0 < said.written < room:
                return None
            self._know("written", None, said.written, rejection.said)
            return said.written
        believed = n_bytes + FRAMING_TOKENS
        if said.prompt is not None and n_bytes and said.prompt <= believed:
            self._count(said.prompt / n_bytes)
        context = said.context if said.context is not None and said.context < believed + room else None
        least = _least(request)
        left = least if context is None or said.prompt is None else context - said.prompt
        if room > least and left >= least:
            return left if left < room else least
        untold = UNTOLD * (self._rate * n_bytes + least)
        self._refused = (untold if context is None else context, rejection.said)
        raise TooLongError(str(rejection), limits=rejection.limits)

    def told(self, said: str, status: int) -> None:
        """Learns from the rejection of a request that is not at hand."""
        found = excess(said, status)
        if found is not None and found.context is not None:
            self._refused = (found.context, said)

    def _think(self, tokens: float) -> None:
        if tokens > self._thinking:
            self._thinking = min(MOST_TOKENS, math.ceil(tokens))
            if self._memory is not None:
                self._memory.remember("thinking", value=self._thinking)

    def _know(self, what: str, before: float | None, value: float, said: str = "") -> None:
        if what == "context":
            self._context = value
        else:
            self._written = value
        if self._memory is not None and value != before:
            self._memory.remember(what, said=said, value=round(value))

    def _count(self, rate: float) -> None:
        self._rate = self._rate + WEIGHT * (rate - self._rate) if self._is_counted else rate
        self._is_counted = True


def _least(request: Request) -> int:
    return request.max_tokens if request.least is None else request.least
