"""Looking through a provider's list of batches for one that may have arrived: after a kill nobody knows."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import datetime
from typing import Any, Protocol

from labeler.llm.errors import BusyError, MalformedError
from labeler.llm.refusals import Failures

PAGE = 100
PAGES = 1_000
"""How far a list is followed."""

MARGIN_SECONDS = 300.0
"""By how much a provider's clock may differ from ours."""

SETTLED_SECONDS = 20.0
"""How soon after it may have been sent a batch is certainly in the list."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)


class Get(Protocol):
    """Fetches the JSON at a path."""

    def __call__(self, path: str, **params: str | int) -> Awaitable[object]:
        """Raises LLMError."""
        ...


async def listed(
    get: Get, path: str, cursor: str, since: float, failures: Failures
) -> AsyncIterator[Mapping[str, Any]]:
    """The batches of a list, newest first, that were made since a time (seconds since the epoch), or shortly before.

    ``cursor`` is the parameter that names the last one seen. Raises MalformedError where it is no list of batches.
    """
    params: dict[str, str | int] = {"limit": PAGE}
    for _ in range(PAGES):
        page = await get(path, **params)
        data = page.get("data") if isinstance(page, Mapping) else None
        if not isinstance(page, Mapping) or not isinstance(data, list):
            raise MalformedError(failures.line("this is no list of batches"))
        for batch in data:
            if isinstance(batch, Mapping):
                if _made(batch.get("created_at")) < since - MARGIN_SECONDS:
                    return
                yield batch
        if not data or page.get("has_more") is not True:
            return
        params[cursor] = id_of(data[-1], failures)


def id_of(found: object, failures: Failures) -> str:
    """The id of a batch or a file; MalformedError where it has none that can stand in a path."""
    name = found.get("id") if isinstance(found, Mapping) else None
    if not isinstance(name, str) or not _ID.fullmatch(name) or set(name) <= {"."}:
        raise MalformedError(failures.line("what came back has no id"))
    return name


def not_arrived(since: float, now: float, failures: Failures) -> None:
    """What to answer for a batch that is in no list; raises BusyError where it may still come into one."""
    if now - since < SETTLED_SECONDS:
        raise BusyError(failures.line("it cannot be told yet whether a batch arrived"), retry_after=SETTLED_SECONDS)


def _made(at: object) -> float:
    """Seconds since the epoch; endless where it is not said, so that such a batch is looked at."""
    if isinstance(at, int | float):
        return float(at)
    try:
        return datetime.fromisoformat(at).timestamp() if isinstance(at, str) else math.inf
    except (ValueError, OverflowError):
        return math.inf
