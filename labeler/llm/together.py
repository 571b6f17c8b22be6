"""Several calls at once, none of which outlives the failure of another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from labeler.llm.protocol import PendingError

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
