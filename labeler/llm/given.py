"""Log-probabilities of given texts, asked for again where that may help, and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from labeler.llm.protocol import Answer, Backend, Record, Request, TextLogprobs, Usage
from labeler.llm.retry import ask_until_answered
from labeler.llm.together import together

AT_ONCE = 16
"""How many texts of one prefix a server is sent at the same time, one a call."""


async def logprobs_until_given(
    backend: Backend,
    prefix: str,
    texts: Sequence[str],
    among: Sequence[str] = (),
    *,
    record: Record,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[TextLogprobs]:
    """What ``Backend.logprobs`` gives, retried and recorded as ``ask_until_answered`` does it, each text by itself.

    A model that shares the work of the prefix gets all texts in one call. Raises the last error where it gives up.
    """
    if backend.capabilities.shares_prefix:
        return await _until_given(backend, prefix, texts, among, record, sleep)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> TextLogprobs:
        async with free:
            return (await _until_given(backend, prefix, [text], among, record, sleep))[0]

    return await together(one(text) for text in texts)


async def _until_given(
    backend: Backend,
    prefix: str,
    texts: Sequence[str],
    among: Sequence[str],
    record: Record,
    sleep: Callable[[float], Awaitable[object]],
) -> list[TextLogprobs]:
    call = _Call(backend, prefix, texts, among)
    question = Request(prompt="".join(prefix + text for text in texts), max_tokens=len(texts))
    await ask_until_answered(cast(Backend, call), question, record=record, sleep=sleep)
    return call.found


class _Call:
    """One call for log-probabilities in the form of a question, so that it is retried and recorded like any other."""

    def __init__(self, backend: Backend, prefix: str, texts: Sequence[str], among: Sequence[str]) -> None:
        self.found: list[TextLogprobs] = []
        self._backend = backend
        self._asked = (prefix, texts, among)

    async def ask(self, request: Request) -> Answer:
        self.found = await self._backend.logprobs(*self._asked)
        return Answer(text="", usage=total([text.usage for text in self.found]))

    def bound(self, request: Request) -> Usage:
        return self._backend.bound(request)


def total(usages: Sequence[Usage]) -> Usage:
    """What several texts took together; the price is unknown where that of one of them is."""
    prices = [usage.usd for usage in usages]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        usd=None if None in prices else sum(price for price in prices if price is not None),
    )
