"""How an answer reaches the client, or does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

PIECES = 20
"""In how many an answer is sent that is sent slowly, at most."""

CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the server ends: nobody is kept waiting then."""


async def send_json(
    request: web.Request,
    value: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    seconds: float = 0.0,
) -> web.StreamResponse:
    """Sends JSON; see ``send``."""
    return await send(
        request, json.dumps(value).encode(), "application/json", status=status, headers=headers, seconds=seconds
    )


async def send(
    request: web.Request,
    body: bytes,
    kind: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    seconds: float = 0.0,
) -> web.StreamResponse:
    """Sends a body to its last byte, in small pieces where it is to take some seconds; ``kind`` is its content type.

    Raises a ConnectionError where the client has left.
    """
    response = web.StreamResponse(status=status, headers={"content-type": kind, **(headers or {})})
    response.content_length = len(body)
    await response.prepare(request)
    size = max(1, -(-len(body) // PIECES) if seconds else len(body))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for piece in pieces:
        if seconds:
            await asyncio.sleep(seconds / len(pieces))
        await response.write(piece)
    await response.write_eof()
    return response


async def hang(request: web.Request, seconds: float) -> web.StreamResponse:
    """Says nothing for so long, then drops the connection."""
    try:
        async with asyncio.timeout(seconds):
            await request.app[CLOSING].wait()
    except TimeoutError:
        pass
    return drop(request)


def drop(request: web.Request) -> web.StreamResponse:
    """Drops the connection; what is returned is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
