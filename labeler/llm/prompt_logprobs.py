"""Log-probabilities of given texts: kept, asked for again where that may help, and put down as any other call.

Servers give them with a completion that returns its prompt (``echo``), as vLLM and the first OpenAI API do; the tokens that
a server names are found again in the text that it was sent.

Servers give each token as a decoded string. Their own offsets are sums of the strings' lengths, and so are wrong behind
a token that is a part of a character (shown as U+FFFD, or as nothing) and behind a space that decoding has lost.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.errors import LabelerError
from labeler.llm.cache_keys import logprobs_key
from labeler.llm.calls import ANSWERED, buy, together
from labeler.llm.errors import MalformedError, RejectedError
from labeler.llm.protocol import UNKNOWN, Account, Backend, Reply, Request, TextLogprobs, Usage
from labeler.llm.refusals import Failures
from labeler.progress import Stopped

UNREADABLE = "\ufffd"
_FOLLOWING = 40  # characters behind unreadable tokens that have to fit: enough that they fit in one place only


def place(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Where each token stands in a text, in characters, until the text is used up: [(begin, end)].

    Tokens behind that, which the server has written itself, are left out. A token that the server put before the text
    has the place (0, 0). Tokens that make up one character, or unreadable ones side by side, all have the place of what
    they make. Raises ValueError, in one line, for tokens that are not those of the text.
    """
    spans: list[tuple[int, int]] = []
    at = silent = 0  # how far the text is used up; how many tokens since then that show nothing
    while at < len(text):
        here = len(spans) + silent
        if here == len(tokens):
            raise ValueError(f"its tokens end after {at} of {len(text)} characters")
        token = tokens[here]
        begin = at if text.startswith(token, at) else _spaces(text, at)
        if token == "":
            silent += 1
        elif UNREADABLE in token:
            n, end = _unreadable(text, at, tokens[here:])
            spans += [(at, end)] * (silent + n)
            at, silent = end, 0
        elif text.startswith(token, begin):
            end = begin + len(token)
            # A space that decoding has lost is a silent token's, where there is one.
            spans += [(at, begin if begin > at else end)] * silent
            spans.append((begin if silent else at, end))
            at, silent = end, 0
        elif at == 0 and here == 0:
            spans.append((0, 0))
        else:
            raise ValueError(f"its token {here + 1} is not what stands at character {at + 1}")
    return spans


def _spaces(text: str, at: int) -> int:
    while text.startswith(" ", at):
        at += 1
    return at


def _unreadable(text: str, at: int, tokens: Sequence[str]) -> tuple[int, int]:
    """How many of these tokens are unreadable or show nothing, and where what they make ends."""
    n = next((i for i, token in enumerate(tokens) if token and UNREADABLE not in token), len(tokens))
    run = "".join(tokens[:n])
    form = re.compile("".join(r"[^\x00-\x7f]+" if part[0] == UNREADABLE else re.escape(part) for part in _parts(run)))
    stop = next((i for i in range(n, len(tokens)) if not tokens[i] or UNREADABLE in tokens[i]), len(tokens))
    following = "".join(tokens[n:stop])[:_FOLLOWING]
    nearest = at + 1 if following else len(text)
    for end in range(nearest, min(len(text), at + len(run)) + 1):
        if form.fullmatch(text, at, end) and any(
            text.startswith(following[: len(text) - begin], begin) for begin in {end, _spaces(text, end)}
        ):
            return n, end
    raise ValueError(f"its unreadable tokens are not what stands at character {at + 1}")


def _parts(run: str) -> list[str]:
    return re.findall(f"{UNREADABLE}+|[^{UNREADABLE}]+", run)


NONE_GIVEN = (
    "gives no log-probabilities of a given text, as vLLM does; "
    "use local:… or another server, or the simulator 'sparse' or 'embedding'"
)


def read_echoed(
    found: Any, prefix: str, text: str, among: Sequence[str], usage: Usage, failures: Failures
) -> TextLogprobs:
    """The part behind the prefix of a choice's ``logprobs``: ``tokens``, ``token_logprobs``, ``top_logprobs``.

    A token of the end of the prefix and the beginning of the text is the text's, and counted whole. Raises
    RejectedError where the server gave nothing of the prompt, MalformedError where its lists do not fit the prompt.
    """
    tokens, values, top = (_list(found, name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not tokens or not values or all(value is None for value in values[:-1]):
        # One value is that of the token it has written: the prompt was not given back.
        raise RejectedError(failures.line(NONE_GIVEN), usage=usage)
    try:
        if len(values) != len(tokens) or (among and len(top) != len(tokens)):
            raise ValueError("its lists are not of one length")
        spans = place(prefix + text, tokens)
        kept = [i for i, (_, end) in enumerate(spans) if end > len(prefix)]
        logprobs = [_finite(values[i]) for i in kept]
        others = [[_listed(top[i], other) for other in among] for i in kept] if top and among else None
    except (ValueError, TypeError) as error:
        line = failures.line("the log-probabilities are not those of the prompt", str(error))
        raise MalformedError(line, usage=usage) from None
    offsets = np.array([spans[i] for i in kept], dtype=np.int64).reshape(-1, 2)
    return TextLogprobs(
        offsets=np.maximum(offsets - len(prefix), 0),
        logprobs=np.array(logprobs, dtype=np.float32),
        among=None if others is None else np.array(others, dtype=np.float32).reshape(-1, len(among)),
        usage=usage,
    )


def _list(found: object, name: str) -> list[Any]:
    values = found.get(name) if isinstance(found, Mapping) else None
    return values if isinstance(values, list) else []


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or value > 0.001:
        raise ValueError(f"{value!r} is not a log-probability")
    return float(value)


def _listed(top: Mapping[str, object], other: str) -> float:
    return _finite(top[other]) if other in top else -math.inf


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
