"""Log-probabilities of given texts: kept, asked for again where that may help, and put down as any other call."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.errors import LabelerError
from labeler.llm.asking import ANSWERED, buy
from labeler.llm.errors import RejectedError
from labeler.llm.keys import logprobs_key
from labeler.llm.protocol import UNKNOWN, Account, Backend, Reply, Request, TextLogprobs, Usage
from labeler.llm.together import together
from labeler.progress import Stopped

AT_ONCE = 16
"""How many texts of one prefix a server is sent at the same time, one a call."""


async def logprobs_until_given(
    backend: Backend,
    prefix: str,
    texts: Sequence[str],
    among: Sequence[str] = (),
    *,
    record: Account,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[TextLogprobs]:
    """What ``Backend.logprobs`` gives, kept and put down as ``ask_until_answered`` does it, each text by itself.

    A model that shares the work of the prefix gets all texts in one call, which is not kept: it is in this process, and
    nobody is paid. Raises the last error where it gives up, RejectedError where nothing may be asked now.
    """
    if backend.capabilities.shares_prefix:
        return await _shared(backend, prefix, texts, among, record)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> TextLogprobs:
        async with free:
            return await _kept_or_bought(backend, prefix, text, among, record, sleep)

    # The first one alone: a server that gives none says so before the others are put down and sent.
    first = [await one(text) for text in texts[:1]]
    return first + await together(one(text) for text in texts[1:])


async def _kept_or_bought(
    backend: Backend,
    prefix: str,
    text: str,
    among: Sequence[str],
    record: Account,
    sleep: Callable[[float], Awaitable[object]],
) -> TextLogprobs:
    asked = logprobs_key(backend.address, prefix, text, among)
    reply = await record.find(asked)
    if reply is None:
        if record.deferred:
            raise RejectedError(f"{backend.name}: batches give no log-probabilities; use sparse")

        async def ask() -> Reply:
            (found,) = await backend.logprobs(prefix, [text], among)
            return Reply(text=written(found), usage=found.usage)

        bound = backend.bound(Request(prompt=prefix + text, max_tokens=1, room=1))
        reply = await buy(ask, bound, asked, record, sleep=sleep)
    return read(reply, len(among))


async def _shared(
    backend: Backend, prefix: str, texts: Sequence[str], among: Sequence[str], record: Account
) -> list[TextLogprobs]:
    bound = backend.bound(Request(prompt="".join(prefix + text for text in texts), max_tokens=len(texts)))
    async with record.turn(bound):
        call = await record.reserve(logprobs_key(backend.address, prefix, "".join(texts), among), bound)
        try:
            found = await backend.logprobs(prefix, texts, among)
        except LabelerError:
            await record.settle(call, "rejected", None)
            raise
        except (asyncio.CancelledError, Stopped):
            await record.settle(call, UNKNOWN, bound)
            raise
        await record.settle(call, ANSWERED, total([text.usage for text in found]))
    return found


def written(found: TextLogprobs) -> str:
    """A text's log-probabilities as the text of a reply: nine digits tell every number of 32 bits from the next."""
    among = None if found.among is None else [[_number(value) for value in row] for row in found.among.tolist()]
    logprobs = [_number(value) for value in found.logprobs.tolist()]
    value = {"offsets": found.offsets.tolist(), "logprobs": logprobs, "among": among}
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def read(reply: Reply, n_among: int) -> TextLogprobs:
    """What ``written`` wrote, where so many alternatives were asked for."""
    value = json.loads(reply.text)
    logprobs = _array(value["logprobs"])
    among = value["among"]
    return TextLogprobs(
        offsets=np.array(value["offsets"], dtype=np.int64).reshape(-1, 2),
        logprobs=logprobs,
        among=None if among is None else _array(among).reshape(len(logprobs), n_among),
        usage=reply.usage,
    )


def _number(value: float) -> float | None:
    """JSON has no -inf: it is null there."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _array(values: list[object]) -> NDArray[np.float32]:
    found = np.array(values, dtype=np.float32)  # null is NaN
    found[np.isnan(found)] = -np.inf
    return found


def total(usages: Sequence[Usage]) -> Usage:
    """What several texts took together; the price is unknown where that of one of them is."""
    prices = [usage.usd for usage in usages]
    summed = Usage(
        input_tokens=sum(usage.input_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
    )
    return dataclasses.replace(summed, usd=None if None in prices else sum(p for p in prices if p is not None))
