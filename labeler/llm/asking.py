"""Asking until there is an answer of use: nothing is bought that was paid for before, nothing before it is put down."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable

from labeler.errors import LabelerError
from labeler.llm.errors import LLMError, MalformedError, RefusedError, TooLongError, TruncatedError
from labeler.llm.keys import key
from labeler.llm.protocol import UNKNOWN, Account, Answer, Backend, PendingError, PendingRequest, Reply, Request, Usage
from labeler.llm.sizes import MOST_TOKENS
from labeler.llm.structured import read_answer
from labeler.llm.thoughts import is_begun

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
"""How often it grows for a model that was cut in thought; beside it grows what is left for thinking (``labeler.llm.sizes``)."""

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
    return wait if error.retry_after is None else min(CAP_RETRY_AFTER_SECONDS, error.retry_after + wait)


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
