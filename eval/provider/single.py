"""Single requests: messages of Anthropic's API, chat completions of OpenAI's."""

from __future__ import annotations

import asyncio

from aiohttp import web

from eval.provider import anthropic_forms, openai_forms
from eval.provider.asked import Asked, read
from eval.provider.errors import ApiError
from eval.provider.knobs import LOST
from eval.provider.reading import read_json
from eval.provider.sending import drop, hang, send_json
from eval.provider.taking import check
from eval.provider.world import BROKEN, Refusal, World

AGAIN_SECONDS = 1.0
"""When to come again after a 429 that no limit is the reason of."""


async def serve(request: web.Request, world: World, api: str) -> web.StreamResponse:
    """One request, from its limits to its last byte. Raises ApiError."""
    asked = read(api, await read_json(request))
    check(asked)
    refusal = world.admit(asked)
    if refusal is not None:
        world.count("limited")
        raise _limited(world, asked, refusal)
    fate = world.fate(asked.key)
    world.count(fate.fault or "answered")
    if fate.fault == "rate_limited":
        raise _limited(world, asked, Refusal(AGAIN_SECONDS, "requests"))
    if fate.fault in ("server_error", "overloaded"):
        raise wire_error(api, fate.fault, world.headers(asked))
    if fate.fault == "timeout":
        return await hang(request, world.knobs.hang_seconds)
    if fate.fault == "reset":
        await asyncio.sleep(fate.seconds)
        return drop(request)
    # Billed before it is made: a client that leaves now pays all the same.
    made = world.answer(asked, fate.fault)
    if fate.fault == "timeout_billed":
        return await hang(request, world.knobs.hang_seconds)
    await asyncio.sleep(fate.seconds)
    world.answered(asked, made)
    if fate.fault in LOST:
        return drop(request)
    if api == "anthropic":
        said = anthropic_forms.message(made, asked.model)
    else:
        said = openai_forms.completion(made, asked.model, world.clock())
    seconds = world.knobs.slow_seconds if fate.fault == "slow" else 0.0
    response = await send_json(request, said, headers=world.headers(asked), seconds=seconds)
    if made.useful:
        world.arrived([asked.key])
    return response


def wire_error(api: str, fault: str, headers: dict[str, str] | None = None) -> ApiError:
    """What ``server_error`` and ``overloaded`` look like."""
    if fault == "server_error":
        return ApiError(BROKEN.status, BROKEN.message, headers=headers or {})
    if api == "anthropic":
        return ApiError(529, "Overloaded", headers=headers or {})
    return ApiError(503, "The engine is currently overloaded, please try again later", headers=headers or {})


def _limited(world: World, asked: Asked, refusal: Refusal) -> ApiError:
    of = refusal.limit.replace("_", " ")
    if asked.api == "anthropic":
        message = f"This request would exceed your organization's rate limit of {of} per minute."
    else:
        message = f"Rate limit reached for {asked.model} on {of} per min. Please try again in {refusal.seconds:.3f}s."
    return ApiError(429, message, code="rate_limit_exceeded", headers=world.headers(asked, refusal.seconds))
