"""How much a model at a server takes in and writes, learned from what it took, cut and refused."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable

from labeler.llm.cost_bounds import FRAMING_TOKENS
from labeler.llm.error_bodies import excess
from labeler.llm.errors import TooLongError
from labeler.llm.protocol import Reply, Request
from labeler.llm.quirks import ServerMemory
from labeler.llm.refusals import FaultError, RejectionError
from labeler.llm.thoughts import is_begun

MOST_TOKENS = 32_000
"""Room is given to no answer beyond this, however much its model thinks."""
LITTLE = 100
"""Tokens of thinking that are none: what an answer takes cannot be told from outside to the token."""
MARGIN, GROWTH = 1.5, 2.0
"""What the room for thinking is of the most that was thought for an answer, and of what was cut in thought."""
ORDER = 2.0
"""How far apart two sightings of thinking may be that are evidence of each other."""
ENOUGH = 2
"""How often is seen, before it is believed of later requests, what one request may show by chance."""

RESIZED = 4
"""How often a request is sent at most, each time with less room."""

TOKENS_A_BYTE = 0.3
"""Of a prompt, before any was counted."""
CHARACTERS_A_TOKEN = 4
"""Of an answer that its server did not count."""
WEIGHT = 0.2
"""How much the last count weighs in the running mean of it."""
UNTOLD = 0.75
"""What is taken for the context of a model of what it refused, where it does not say how much it takes."""


class Sizes:
    """What is known of one model at one server; room for thinking and the length that fits, kept in ``memory``.

    Rejections quote prompts, which may hold any words, and servers miscount. What one of them shows serves the request at
    hand; later ones, and later processes, go by what was repeated or confirmed:

    - a length that a server tells, once a request within it was taken, and unless more was taken before;
    - the most that it writes, once an answer within it was whole, or it was told and answered within it twice;
    - room for thinking, as far as two answers agree on its order. An answer that was cut has twice the room at once.
    """

    def __init__(self, *, thinking: int = 0, context: int | None = None, memory: ServerMemory | None = None) -> None:
        """``thinking`` tokens are always left for that; ``context`` is what the user says of the model."""
        found = memory.recall() if memory is not None else {}
        known = {what: one.value for what, one in found.items() if one.value is not None}
        kept = min(MOST_TOKENS, round(known.get("thinking", 0)))
        self._thinking = max(thinking, kept)
        self._sightings, self._n_sightings = [kept] if kept else [], 0
        """What would have been room enough, ascending, from the most on that two agree on; how many are new to memory."""
        self._context = context or known.get("context")
        self._written = known.get("written", math.inf)
        self._memory = memory
        self._rate, self._is_counted = TOKENS_A_BYTE, False
        self._refused: tuple[float, str] | None = None
        """A context that would explain the last rejection, and its words."""
        self._told = Counter[int]()
        """Contexts that rejections told of requests that are not at hand, and how often."""
        self._most_told: dict[int, tuple[int, str]] = {}
        """The most that it writes, as it told: how often, and its last words."""
        self._longest, self._largest = 0, 0
        """The tokens of the longest answer, and of the largest request with its answer, that were taken."""

    def room(self, request: Request, n_bytes: int) -> int:
        """The most tokens that the answer to a request of so many bytes is given, thinking included."""
        if request.room is not None:
            return request.room
        most = max(MOST_TOKENS, request.max_tokens)
        twice = 0 if request.least is None else int(GROWTH * (request.least - 1))
        room = min(most, max(request.max_tokens + self._thinking, twice))
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
            except (RejectionError, FaultError) as error:  # some servers call their own fault what is too long
                room = self.smaller(error, request, n_bytes)
                if room is None or not left:
                    raise
                request = dataclasses.replace(request, room=room)
            else:
                break
        self.heard(reply, request, n_bytes)
        return reply

    def heard(self, reply: Reply, request: Request | None = None, n_bytes: int = 0) -> None:
        """Learns from a reply; of one that comes later, in a batch or a file, the request is not at hand."""
        usage = reply.usage
        room = MOST_TOKENS if request is None else self.room(request, n_bytes)
        counted = min(usage.output_tokens, room)
        if reply.stop == "end" and reply.thought >= LITTLE and usage.output_tokens <= room:  # else it is no count
            self._think(MARGIN * reply.thought)
        elif reply.stop == "truncated" and counted >= LITTLE and not is_begun(reply.text):
            self._think(GROWTH * counted)
        if request is None:
            self._took(usage.input_tokens + counted, usage.input_tokens + counted)
            return
        self._longest = max(self._longest, counted)
        times, said = self._most_told.get(room, (0, ""))
        within = (usage.output_tokens or len(reply.text) // CHARACTERS_A_TOKEN) <= room
        if within and times >= (1 if reply.stop == "end" else ENOUGH):
            self._know("written", room, said, times)
        read = min(usage.input_tokens, n_bytes + FRAMING_TOKENS)
        if n_bytes and read:
            self._count(read / n_bytes)
        taken = (usage.input_tokens or self._rate * n_bytes) + room
        if self._context is not None and reply.stop != "truncated" and taken > self._context:
            self._know("context", taken)
        self._took(read + counted, taken)

    def _took(self, at_least: int, at_most: float) -> None:
        """A request was taken that had, with its answer, so many tokens."""
        self._largest = max(self._largest, at_least)
        if self._refused is None or not at_most:
            return
        if at_least > self._refused[0]:
            self._refused = None
        elif at_most <= self._refused[0]:
            self._know("context", *self._refused)
            self._refused = None

    def smaller(self, error: RejectionError | FaultError, request: Request, n_bytes: int) -> int | None:
        """The room to try in the place of the one that was rejected; None where that is not what was rejected.

        Raises TooLongError where the prompt is too long with the least room as well.
        """
        is_fault = isinstance(error, FaultError)
        status = 500 if isinstance(error, FaultError) else error.status
        said = excess(error.said, status, f"{request.system}\n{request.prompt}")
        room = self.room(request, n_bytes)
        if said is None or (is_fault and not said.own):
            return None
        if said.written is not None:
            if not max(1, self._longest) <= said.written < room:
                return None
            times, _ = self._most_told.get(said.written, (0, ""))
            self._most_told[said.written] = times + 1, error.said
            return said.written
        believed = n_bytes + FRAMING_TOKENS
        if said.prompt is not None and n_bytes and said.prompt <= believed:
            self._count(said.prompt / n_bytes)
        context = said.context if said.context is not None and said.context < believed + room else None
        least = _least(request)
        left = least if context is None or said.prompt is None else context - said.prompt
        if room > least and left >= least:
            return left if left < room else least
        refused = context or UNTOLD * (self._rate * n_bytes + least)
        if said.own and refused >= self._largest:
            self._refused = (refused, error.said)
        raise TooLongError(str(error), limits=error.limits)

    def told(self, said: str, status: int) -> None:
        """Learns from the rejection of a request that is not at hand: nobody can say whether it quotes it."""
        found = excess(said, status)
        if found is not None and found.context is not None and found.context >= self._largest:
            self._told[found.context] += 1
            if self._told[found.context] >= ENOUGH:
                self._refused = (found.context, said)

    def _think(self, tokens: float) -> None:
        self._n_sightings += 1
        bisect.insort(self._sightings, min(MOST_TOKENS, math.ceil(tokens)))
        agreed = max((high for low, high in itertools.pairwise(self._sightings) if high <= ORDER * low), default=0)
        del self._sightings[: max(0, bisect.bisect(self._sightings, agreed) - 1)]
        if agreed > self._thinking:
            self._thinking = agreed
            if self._memory is not None:
                self._memory.remember("thinking", value=agreed, times=self._n_sightings)
                self._n_sightings = 0

    def _know(self, what: str, value: float, said: str = "", times: int = 1) -> None:
        before = self._context if what == "context" else self._written
        if what == "context":
            self._context = value
        else:
            self._written = value
        if self._memory is not None and value != before:
            self._memory.remember(what, said=said, value=round(value), times=times)

    def _count(self, rate: float) -> None:
        self._rate = self._rate + WEIGHT * (rate - self._rate) if self._is_counted else rate
        self._is_counted = True


def _least(request: Request) -> int:
    return request.max_tokens if request.least is None else request.least
