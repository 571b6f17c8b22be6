"""Asking until there is an answer of use: kept answers first, then calls whose worst case is reserved before they are made.

A call goes through an *account*, which looks for the answer among those that were bought before, reserves what the call may
cost at most, and settles it together with its reply. Outside any run the account keeps nothing (``NullAccount``). Questions
that are too long for a model in one call are split, and calls that belong together end together.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from labeler.errors import LabelerError
from labeler.llm.answers import read_answer
from labeler.llm.cache_keys import key
from labeler.llm.context_windows import MOST_TOKENS
from labeler.llm.errors import LLMError, MalformedError, RefusedError, TooLongError, TruncatedError
from labeler.llm.protocol import (
    UNKNOWN,
    Account,
    Answer,
    Backend,
    PendingError,
    PendingRequest,
    Reply,
    Request,
    Turn,
    Usage,
)
from labeler.llm.thoughts import is_begun

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order; where one raises, the others are ended first, so that nothing more is asked or paid.

    Where some have to wait for answers, the others still come to their end: what is missing is asked for all at once.
    """
    begun = list(work)
    tasks = [asyncio.ensure_future(_or_pending(one)) for one in begun]
    try:
        found = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in begun:
            one.close()  # one that was ended before its first step would be reported as never awaited
    pending = [one for one in found if isinstance(one, PendingError)]
    if pending:
        raise merged(pending)
    return [one for one in found if not isinstance(one, PendingError)]


def merged(pending: Sequence[PendingError]) -> PendingError:
    """All that several pieces of work wait for, each question once."""
    return PendingError(list({request.key: request for error in pending for request in error.requests}.values()))


async def _or_pending(one: Coroutine[Any, Any, T]) -> T | PendingError:
    try:
        return await one
    except PendingError as error:
        return error


async def ask_about(
    backend: Backend, things: Sequence[T], question: Callable[[Sequence[T]], Request], *, record: Account
) -> list[tuple[Sequence[T], Answer]]:
    """The answers about all things, in order, each with those that it is about; they are halved until a call fits.

    Calls are always halves of halves of all, however much is known of the model, so that work that is done again finds
    what was kept. Raises TooLongError, in the provider's words, where one thing alone is too long, and what
    ``ask_until_answered`` raises.
    """
    request = question(things)
    if len(things) < 2 or await is_worth_asking(backend, request, record):
        try:
            return [(things, await ask_until_answered(backend, request, record=record))]
        except TooLongError:
            if len(things) < 2:
                raise
    middle = (len(things) + 1) // 2
    halves = await together(
        ask_about(backend, half, question, record=record) for half in (things[:middle], things[middle:])
    )
    return [one for half in halves for one in half]


async def is_worth_asking(backend: Backend, request: Request, record: Account) -> bool:
    """Whether a request is not known to be too long, or was answered before."""
    return backend.fits(request) or await record.find(key(backend.address, request)) is not None


Told = Callable[[Usage, str], None]
"""Is told of every call that was billed, or that may have been: what it took, and how it ended."""


class NullAccount:
    """Every question is bought, nobody's limits are minded, and ``told`` hears what was billed.

    With ``deferred`` nothing is asked at all: what would be is in the PendingError.
    """

    def __init__(self, told: Told | None = None, *, prompt: str = "", deferred: bool = False) -> None:
        self.prompt = prompt
        self.deferred = deferred
        self._told = told

    async def find(self, key: str) -> Reply | None:
        """None: nothing is kept."""
        return None

    def turn(self, bound: Usage) -> AbstractAsyncContextManager[Turn]:
        """At once."""
        return at_once(bound)

    async def reserve(self, key: str, bound: Usage) -> str:
        """Nothing is put down."""
        return ""

    async def settle(self, call: str, outcome: str, usage: Usage | None, reply: Reply | None = None) -> None:
        """Tells what was billed."""
        if self._told is not None and usage is not None:
            self._told(usage, outcome)

    async def useless(self, key: str) -> None:
        """There is nothing to mark."""


@asynccontextmanager
async def at_once(bound: Usage) -> AsyncIterator[Turn]:
    """The turn of a call that waits for nobody."""
    yield _Deaf()


class _Deaf:
    def heard(self, found: Reply | Exception) -> None:
        """Nothing is learned."""


BASE_SECONDS = 0.5
CAP_SECONDS = 30.0
CAP_RETRY_AFTER_SECONDS = 60.0
ATTEMPTS = 8
"""How often a question is sent that the provider does not answer: busy, lost, out of time."""
USELESS_RETRIES = 2
"""How often a refused or malformed answer, or a page that is none, is asked for again: each is paid, or may be."""
ROOM = 4
"""By how much ``max_tokens`` grows after an answer of a wanted form was cut."""
WIDENINGS = 3
"""How often it grows for a model that was cut in thought; beside it grows what is left for thinking
(``labeler.llm.context_windows``)."""

ANSWERED = "answered"

Sleep = Callable[[float], Awaitable[object]]


async def ask_until_answered(
    backend: Backend,
    request: Request,
    *,
    record: Account,
    attempts: int = ATTEMPTS,
    sleep: Sleep = asyncio.sleep,
    uniform: Callable[[], float] = random.random,
) -> Answer:
    """The answer to a request, out of what is kept or bought; several useless replies are gone through on the way.

    After a refused or malformed reply the request is another draw (``draw`` + 1000, + 2000), so that neither a cache
    nor a seed returns the same again. A reply to a schema that was cut is asked for with four times the room, once where
    the answer had begun and several times where the model was cut in thought. Every reply is kept, also a useless one:
    work that is done again goes the same way without paying. Raises the last error where it gives up,
    TooLongError where the model's context leaves a wider answer no room, PendingError where nothing may be asked now,
    SpentError where the budget has no room.
    """
    draw, useless, widened, cut_at = request.draw, 0, 0, 0
    while True:
        asked = key(backend.address, request)
        reply = await record.find(asked)
        if reply is None:
            bound = backend.bound(request)
            if widened and 0 < bound.output_tokens <= cut_at:
                raise TooLongError(
                    f"{backend.name}: the answer was cut at {cut_at} tokens, and the model's context leaves no more"
                )
            # Settled here: what is learned of the model meanwhile must not make a call larger than what is put down.
            sized = dataclasses.replace(request, room=bound.output_tokens)
            if record.deferred:
                raise PendingError([_pending(asked, sized, bound, backend, record)])
            reply = await buy(
                lambda question=sized: backend.ask(question),  # type: ignore[misc]
                bound,
                asked,
                record,
                outcome=lambda found, question=sized: outcome_of(found, question, backend.name),  # type: ignore[misc]
                attempts=attempts,
                sleep=sleep,
                uniform=uniform,
            )
        try:
            return dataclasses.replace(read_answer(reply, request, backend.name), key=asked)
        except TruncatedError:
            await record.useless(asked)
            cut_at = reply.usage.output_tokens
            most = WIDENINGS if cut_at < MOST_TOKENS and not is_begun(reply.text) else 1
            if request.schema is None or widened >= most:
                raise
            widened += 1
            least = max(cut_at + 1, request.max_tokens if request.least is None else request.least)
            request = dataclasses.replace(request, max_tokens=ROOM * request.max_tokens, least=least)
        except (RefusedError, MalformedError) as error:
            await record.useless(asked)
            useless += 1
            if not error.retryable or useless > USELESS_RETRIES:
                raise
            request = dataclasses.replace(request, draw=draw + 1000 * useless)


async def buy(
    ask: Callable[[], Awaitable[Reply]],
    bound: Usage,
    asked: str,
    record: Account,
    *,
    outcome: Callable[[Reply], str] = lambda reply: ANSWERED,
    attempts: int = ATTEMPTS,
    sleep: Sleep = asyncio.sleep,
    uniform: Callable[[], float] = random.random,
) -> Reply:
    """The reply of at most so many calls, with exponential backoff and full jitter between them.

    Each call waits for its turn, is put down with its worst case (``bound``), made, and settled: with what it took, with
    nothing where nothing was billed, or as unknown where nobody can say. ``outcome`` names what came of a reply, which is
    kept under the key ``asked``. ``uniform`` returns a number in [0, 1). Raises the last error where it gives up.
    """
    attempt = useless = 0
    while True:
        async with record.turn(bound) as turn:
            call = await record.reserve(asked, bound)
            try:
                reply = await ask()
            except LLMError as error:
                turn.heard(error)
                attempt += 1
                if isinstance(error.usage, Usage):
                    await record.settle(call, _name(error), error.usage)
                elif error.maybe_billed:
                    await record.settle(call, UNKNOWN, bound)
                else:
                    await record.settle(call, _name(error), None)
                useless += isinstance(error, MalformedError)
                if not error.retryable or attempt >= attempts or useless > USELESS_RETRIES:
                    raise
                wait = pause(error, attempt, uniform)
            except LabelerError:  # no key, no such model: nothing was asked
                await record.settle(call, "rejected", None)
                raise
            except (asyncio.CancelledError, Exception):  # whatever it was: no call is left open
                await record.settle(call, UNKNOWN, bound)
                raise
            else:
                turn.heard(reply)
                await record.settle(call, outcome(reply), reply.usage, reply)
                return reply
        await sleep(wait)


def pause(error: LLMError, attempt: int, uniform: Callable[[], float]) -> float:
    """Seconds to wait after the so-manieth failure: with jitter on top of what a provider tells everybody."""
    wait = uniform() * min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1))
    found: float = wait if error.retry_after is None else min(CAP_RETRY_AFTER_SECONDS, error.retry_after + wait)
    return found


def outcome_of(reply: Reply, request: Request, name: str) -> str:
    """What came of a reply: ``answered``, ``truncated``, ``refused`` or ``malformed``."""
    try:
        read_answer(reply, request, name)
    except LLMError as error:
        return _name(error)
    return ANSWERED


def _name(error: LLMError) -> str:
    return type(error).__name__.removesuffix("Error").lower()


def _pending(asked: str, request: Request, bound: Usage, backend: Backend, record: Account) -> PendingRequest:
    return PendingRequest(
        key=asked,
        backend=backend.name,
        prompt=record.prompt,
        body=backend.body(request),
        bound=bound,
    )
