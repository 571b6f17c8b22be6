"""Asking about several things in one call, and about fewer at once where that is too long for the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from labeler.llm.asking import ask_until_answered
from labeler.llm.errors import TooLongError
from labeler.llm.keys import key
from labeler.llm.protocol import Account, Answer, Backend, Request
from labeler.llm.together import together

T = TypeVar("T")


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
