"""What may happen to a batch on its way in: the same as to a single request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from aiohttp import web

from eval.provider.batches import Batch
from eval.provider.errors import ApiError
from eval.provider.knobs import LOST, NOT_TAKEN
from eval.provider.sending import drop, hang
from eval.provider.single import AGAIN_SECONDS, wire_error
from eval.provider.world import World


async def submit(
    request: web.Request, world: World, api: str, content: bytes, make: Callable[[], Batch]
) -> Batch | web.StreamResponse:
    """The batch once it is taken, or, where its sender never learns of that, the end of the connection.

    ``content`` is what its fate is drawn by. Raises ApiError where it is not taken.
    """
    fault = world.fate(hashlib.sha256(content).hexdigest()).fault
    if fault not in (*NOT_TAKEN, *LOST):
        return world.submit(api, make())
    world.count(fault)
    if fault == "rate_limited":
        headers = {"retry-after": f"{AGAIN_SECONDS:.0f}"}
        raise ApiError(429, "too many batches", code="rate_limit_exceeded", headers=headers)
    if fault in ("server_error", "overloaded"):
        raise wire_error(api, fault)
    if fault in LOST:
        world.submit(api, make())
    return await hang(request, world.knobs.hang_seconds) if fault.startswith("timeout") else drop(request)
