"""What a client sent: a body, a page of a list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from eval.provider.batches import Batch
from eval.provider.errors import ApiError


async def read_json(request: web.Request) -> Any:
    """The body; ApiError where it is not JSON."""
    try:
        return json.loads(await request.read())
    except ValueError:
        raise ApiError(400, "the body is not valid JSON") from None


def page(batches: Sequence[Batch], request: web.Request, *, after: str, most: int) -> tuple[list[Batch], bool]:
    """A page of batches that come newest first, and whether there are more; ``after`` is the name of the cursor."""
    try:
        limit = int(request.query.get("limit", 20))
    except ValueError:
        limit = 0
    if not 1 <= limit <= most:
        raise ApiError(400, f"limit: has to be 1 to {most}", param="limit")
    rest = list(batches)
    cursor = request.query.get(after)
    if cursor is not None:
        ids = [batch.id for batch in rest]
        if cursor not in ids:
            raise ApiError(400, f"{after}: no batch '{cursor}'", param=after)
        rest = rest[ids.index(cursor) + 1 :]
    return rest[:limit], len(rest) > limit
