"""Asking again, where asking again may help."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable

from labeler.llm.errors import LLMError, MalformedError, RefusedError, TruncatedError
from labeler.llm.protocol import UNKNOWN, Answer, Backend, Record, Request, Usage

BASE_SECONDS = 0.5
CAP_SECONDS = 30.0
CAP_RETRY_AFTER_SECONDS = 60.0
USELESS_RETRIES = 2
"""How often a refused or malformed answer, which is paid each time, is asked for again."""
ROOM = 4
"""By how much ``max_tokens`` grows, once, after an answer of a wanted form was cut."""


async def ask_until_answered(
    backend: Backend,
    request: Request,
    *,
    attempts: int = 5,
    record: Record,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    uniform: Callable[[], float] = random.random,
) -> Answer:
    """The answer of at most so many calls, with exponential backoff and full jitter between them.

    After a refused or malformed answer the request is another draw (``draw`` + 1000, + 2000), so that neither a cache
    nor a seed returns the same again. An answer to a schema that was cut is asked for once more with four times the
    room, for a reasoning model spends the limit on thinking. ``record`` is called with every call that was billed and
    its outcome: ``answered``, ``truncated``, ``refused`` or ``malformed``; and with every call that was cancelled or
    lost after it was sent, with the most that it can have taken: ``unknown``. ``uniform`` returns a number in [0, 1).
    Raises the last error where it gives up.
    """
    draw, attempt, useless = request.draw, 0, 0
    may_widen = request.schema is not None
    while True:
        try:
            answer = await backend.ask(request)
        except asyncio.CancelledError:
            record(backend.bound(request), UNKNOWN)
            raise
        except LLMError as error:
            attempt += 1
            if isinstance(error.usage, Usage):
                record(error.usage, type(error).__name__.removesuffix("Error").lower())
            elif error.maybe_billed:
                record(backend.bound(request), UNKNOWN)
            widen = may_widen and isinstance(error, TruncatedError)
            if not (error.retryable or widen) or attempt >= attempts:
                raise
            if widen:
                may_widen = False
                request = dataclasses.replace(request, max_tokens=ROOM * request.max_tokens)
            if isinstance(error, RefusedError | MalformedError):
                useless += 1
                if useless > USELESS_RETRIES:
                    raise
                request = dataclasses.replace(request, draw=draw + 1000 * useless)
            wait = uniform() * min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1))
            if error.retry_after is not None:
                # Jitter on top, for the provider tells everybody the same.
                wait = min(CAP_RETRY_AFTER_SECONDS, error.retry_after + wait)
        else:
            record(answer.usage, "answered")
            return answer
        await sleep(wait)
