"""How many calls are made to one model at once, how many requests and tokens a minute, and how long one call may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from labeler.llm.errors import BusyError, LLMError
from labeler.llm.protocol import Limits, Reply, Turn, Usage
from labeler.llm.rate_limits import Expected, Limiter, LocalLimiter
from labeler.llm.rate_limits_redis import RedisLimiter

TOTAL_SECONDS = 120.0
"""One with an answer of a usual size."""
SECONDS_A_TOKEN = 0.1
"""A language model on a laptop writes no slower than this."""
GRACE_SECONDS = 30.0
"""Between putting a call down and making it, and between its end and its settlement."""


def patience(room: int, seconds: float = TOTAL_SECONDS) -> float:
    """The seconds of a call whose answer has room for so many tokens, where a usual one has ``seconds``."""
    return seconds * max(1.0, room * SECONDS_A_TOKEN / TOTAL_SECONDS)


START = 8
CEILING = 256
STRAY_SHARE = 1 / 8
"""The share of calls, beside a single one, that may be turned away before that is taken for a sign of too many."""
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 10.0
"""How long a call waits for the limits before it asks again: they may have been learned anew meanwhile."""
SHORTEST_WAIT_SECONDS = 0.001

INPUT_SHARE, OUTPUT_SHARE = 0.3, 1.0
"""What calls take of their worst case before any was heard: a worst case has a token for every byte, where text has one
for three or four, and all the room that an answer has, which is taken as needed until answers tell."""
WEIGHT = 0.1
"""How much the last call counts in the running shares."""


class Concurrency:
    """How many calls may be made at once, found by trying: more while a provider answers, half when it turns calls away.

    It begins with 8. Until the first back-off every answer adds one, which doubles it in the time of a call; afterwards
    as many answers as there may be calls add one. It grows only while at least half of it is in use, for what was not
    tried tells nothing.

    It is halved at once where the provider asks to wait, and otherwise where more than a stray call in eight is turned
    away. A provider with too much to do turns many away; one whose calls fail now and then, however few there are, would
    be asked by four at once for a rate of failures of one in twenty if each of them counted. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self.limit = float(START)
        self.held = 0
        """How many slots are taken; more than there are for a while after a back-off."""
        self.round = 0
        """Counts the back-offs: a call that began before the last one tells nothing of what was changed by it."""
        self._strays = 0.0
        """How many of the last calls were turned away; of about as many calls as may be made at once."""
        self._changed = asyncio.Event()

    async def acquire(self) -> None:
        """Waits for a slot."""
        while self.held >= int(self.limit):
            self._changed.clear()
            await self._changed.wait()
        self.held += 1

    def release(self) -> None:
        """Gives a slot back."""
        self.held -= 1
        self._changed.set()

    def answered(self, began: int) -> None:
        """A call that began in this round was answered; its slot is given back only afterwards."""
        if began != self.round:
            return
        self._strays *= 1 - 1 / self.limit
        if 2 * self.held >= self.limit:
            self.limit = min(float(CEILING), self.limit + (1.0 if self.round == 0 else 1.0 / self.limit))

    def turned_away(self, began: int, *, told_to_wait: bool) -> None:
        """A call that began in this round was turned away; all that were under way together are halved for once."""
        if began != self.round:
            return
        self._strays = self._strays * (1 - 1 / self.limit) + 1
        if told_to_wait or self._strays > 1 + STRAY_SHARE * self.limit:
            self.limit = max(1.0, self.limit / 2)
            self.round += 1
            self._strays = 0.0


class Shares:
    """What calls take of their worst case, in the running mean.

    Reserving worst cases would leave most of a limit unused until the calls come back. A mean is enough, for a window is
    the sum of many calls and each is corrected when it was heard.
    """

    def __init__(self) -> None:
        self._input, self._output = INPUT_SHARE, OUTPUT_SHARE

    def of(self, bound: Usage) -> Expected:
        """What is expected of a call with this worst case."""
        return Expected(self._input * bound.input_tokens, self._output * bound.output_tokens)

    def heard(self, bound: Usage, actual: Expected) -> None:
        """Learns from one call, which took no more than its worst case."""
        if bound.input_tokens > 0:
            self._input += WEIGHT * (actual.input_tokens / bound.input_tokens - self._input)
        if bound.output_tokens > 0:
            self._output += WEIGHT * (actual.output_tokens / bound.output_tokens - self._output)


class Traffic:
    """All calls of one process to one model: they stand in one line, the first of which waits for a slot and for room
    in the limits. So nobody overtakes, and a large call gets its turn. Belongs to one event loop."""

    def __init__(
        self,
        limiter: Limiter,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """``clock`` gives seconds, ``sleep`` waits for some."""
        self.concurrency = Concurrency()
        self.shares = Shares()
        self._limiter = limiter
        self._clock = clock
        self._sleep = sleep
        self._line = asyncio.Lock()
        self._paused_until = -float("inf")

    @asynccontextmanager
    async def turn(self, bound: Usage) -> AsyncIterator[Turn]:
        """Waits for a call's turn; ``bound`` is its worst case. Room is given back at the end, whatever came of it.

        The tokens of a call of which nothing was heard stay charged: it may have taken them.
        """
        async with self._line:
            await self.concurrency.acquire()
            try:
                expected = await self._admitted(bound)
            except BaseException:
                self.concurrency.release()
                raise
        turn = _CallTurn(self, self.concurrency.round)
        try:
            yield turn
        finally:
            self.concurrency.release()
            if turn.found is not None:
                await self._learn(turn.found, bound, expected)

    def hear(self, found: Reply | Exception, began: int) -> None:
        """What came of a call that began in this round of the concurrency."""
        if isinstance(found, Reply):
            self.concurrency.answered(began)
        elif isinstance(found, BusyError):
            self.concurrency.turned_away(began, told_to_wait=found.retry_after is not None)
            if found.retry_after is not None:  # all are meant: the others would be told the same, one after another
                pause = min(LONGEST_PAUSE_SECONDS, found.retry_after)
                self._paused_until = max(self._paused_until, self._clock() + pause)

    async def close(self) -> None:
        """Give back connections."""
        await self._limiter.close()

    async def _admitted(self, bound: Usage) -> Expected:
        while True:
            wait = self._paused_until - self._clock()
            if wait <= 0:
                expected = self.shares.of(bound)
                wait = await self._limiter.take(expected)
                if wait <= 0:
                    return expected
            await self._sleep(min(LONGEST_WAIT_SECONDS, max(SHORTEST_WAIT_SECONDS, wait)))

    async def _learn(self, found: Reply | Exception, bound: Usage, expected: Expected) -> None:
        usage = found.usage if isinstance(found, Reply | LLMError) else None
        if isinstance(usage, Usage) and usage.input_tokens > 0:  # a server that counts nothing says 0
            # No more than the worst case: what a server claims beyond it would close the way for everybody.
            actual = Expected(
                min(usage.input_tokens, bound.input_tokens), min(usage.output_tokens, bound.output_tokens)
            )
            self.shares.heard(bound, actual)
            await self._limiter.correct(expected, actual)
        limits = found.limits if isinstance(found, Reply | LLMError) else None
        if isinstance(limits, Limits):  # last, for a provider's word of what is left goes before our sums
            await self._limiter.learn(limits)


class _CallTurn:
    """One call's."""

    def __init__(self, traffic: Traffic, began: int) -> None:
        self.found: Reply | Exception | None = None
        self._traffic = traffic
        self._began = began

    def heard(self, found: Reply | Exception) -> None:
        """See the protocol."""
        self.found = found
        self._traffic.hear(found, self._began)


def open_traffic(given: Limits | None, redis_url: str | None, identity: str) -> Traffic:
    """The traffic to one model under the user's limits; close it when done.

    Limits are shared with all who name the same ``identity`` where ``redis_url`` is one of Redis (``redis://…``,
    ``rediss://…``), and are this process's own otherwise.
    """
    if redis_url is not None and redis_url.startswith(("redis://", "rediss://")):
        return Traffic(RedisLimiter(redis_url, identity, given))
    return Traffic(LocalLimiter(given))
