"""What a provider's refusal to answer means: the SDKs' exceptions as this package's errors."""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
import re
import time
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TypeVar

import aiohttp
from httpx2 import DecodingError, RequestError

from labeler.errors import LabelerError
from labeler.llm.error_bodies import MESSAGE, told, under
from labeler.llm.errors import AccessError, BusyError, LLMError, MalformedError, RejectedError, TimedOutError
from labeler.llm.protocol import Limits, Reply, Usage
from labeler.llm.rate_limits import read_limits

T = TypeVar("T")

_LONGEST = 200
_NO_WORD = 8
"""Characters of a key that is no word by chance; a shorter one (servers of one's own take any) is only hidden where it
stands alone."""
_KEY_LIKE = re.compile(r"\bsk-[\w*-]{6,}")  # providers echo keys half masked
_OUT_OF_MONEY = ("insufficient_quota", "billing_error")
_GATEWAY_GAVE_UP = (408, 504, 524)
_SAID = ("error", *MESSAGE)
BROKEN = (RequestError, aiohttp.ClientError, OSError)
"""What reading a body raises where the connection fails in its midst, or what comes is no HTTP; no SDK has a name for it."""


class RejectionError(RejectedError):
    """A rejection with all that the provider said, so that a backend can learn what it will not take.

    ``said`` is to be understood, and not to be shown: the key may be in it.
    """

    def __init__(self, message: str, said: str, status: int, limits: Limits | None = None) -> None:
        super().__init__(message, limits=limits)
        self.said = said
        self.status = status


class FaultError(BusyError):
    """The same for a fault of the server: some answer so to what they will not take."""

    def __init__(
        self, message: str, said: str, *, retry_after: float | None = None, limits: Limits | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after, limits=limits)
        self.said = said


@dataclass(frozen=True)
class Failures:
    """Errors about one backend: named, in one line, without its key."""

    name: str
    key: str | None = field(repr=False)
    hint: str = ""
    """What to say where a key is wanted."""

    def clean(self, text: str) -> str:
        """Untrusted text without line breaks, control characters and the key; whole, however long.

        This is for what is shown or kept. What a text means is told by its own words: a key may be any word.
        """
        line = one_line(text)
        if self.key:
            word = re.escape(self.key)
            line = re.sub(word if self._is_long else rf"(?<![^\W_]){word}(?![^\W_])", "[key]", line)
        return _KEY_LIKE.sub("[key]", line)

    def without_key(self, reply: Reply) -> Reply:
        """A reply as it may be kept: servers quote the key that they do not take, also where an answer belongs."""
        text = reply.text.replace(self.key, "[key]") if self.key and self._is_long else reply.text
        return replace(reply, text=text, said=self.clean(reply.said))

    @property
    def _is_long(self) -> bool:
        return len(self.key or "") >= _NO_WORD

    def line(self, what: str, said: str = "") -> str:
        """A message: whose failure, what failed, and at most 200 characters of what the provider said."""
        said = self.clean(said)[:_LONGEST]
        return f"{self.clean(self.name)}: {what}" + (f": {said}" if said else "")

    def of_status(self, status: int, headers: Mapping[str, str], body: object) -> LabelerError:
        """The error that an HTTP status means."""
        said, everything = said_in(body), body if isinstance(body, str) else _spelled(body)
        line, limits = self.line(f"HTTP {status}", said), read_limits(headers)
        everything = one_line(everything)
        maybe_billed = status in _GATEWAY_GAVE_UP
        if status in (401, 402, 403) or _out_of_money(body, said):
            return AccessError(f"{line} ({self.hint})" if self.hint and status != 402 else line)
        if status == 408:
            return TimedOutError(line, maybe_billed=True, limits=limits)
        if status >= 500 and not maybe_billed:
            return FaultError(line, everything, retry_after=retry_after(headers), limits=limits)
        if passes(status):
            return BusyError(line, retry_after=retry_after(headers), maybe_billed=maybe_billed, limits=limits)
        return RejectionError(line, everything, status, limits)

    def of_body(self, body: object, headers: Mapping[str, str], usage: Usage | None = None) -> LabelerError | None:
        """The error that the body of a 200 tells of, None where it tells of none.

        It took what the server counted (``usage``), and nothing where it counted nothing.
        """
        found = told(body)
        if found is None:
            return None
        error = self.of_status(found[0], headers, found[1])
        if isinstance(error, LLMError):
            error.usage = usage if usage is not None and usage.input_tokens + usage.output_tokens > 0 else None
            error.maybe_billed = False
        return error

    def of_connection(self, error: BaseException) -> LLMError:
        """The error that a failed connection means, by what lies under the SDK's exception.

        The SDK's own classes are not enough: OpenAI's calls every lost connection a timeout.
        """
        causes = list(_causes(error))
        unsent = any(
            isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) for cause in causes
        )
        if any(isinstance(cause, TimeoutError) for cause in causes):
            what = "no connection in time" if unsent else "no answer in time"
            return TimedOutError(self.line(what), maybe_billed=not unsent)
        if isinstance(error, DecodingError):
            return MalformedError(self.line("the answer cannot be unpacked", str(error)), maybe_billed=True)
        what = "the server cannot be reached" if unsent else "the connection was lost"
        return BusyError(self.line(what, str(causes[-1])), maybe_billed=not unsent)


def one_line(text: str) -> str:
    """A text without line breaks and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def passes(status: int) -> bool:
    """Whether what an HTTP status says may be otherwise later: limits, conflicts, and faults of the server."""
    return status in (408, 409, 429) or status >= 500


async def translated(call: Awaitable[T], sdk: ModuleType, failures: Failures, seconds: float) -> T:
    """What an SDK's call returns, within so many seconds; raises only errors of this package.

    ``from None`` throughout: the SDK's own exceptions hold the request, its headers and the provider's raw words.
    """
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:  # of the whole; what is shorter says so itself
        raise TimedOutError(failures.line(f"no answer in {seconds:g} s"), maybe_billed=True) from None
    except (sdk.APIConnectionError, *BROKEN) as error:
        raise failures.of_connection(error) from None
    except sdk.APIStatusError as error:
        raise failures.of_status(error.status_code, error.response.headers, error.body) from None
    except (sdk.APIError, json.JSONDecodeError):
        raise MalformedError(failures.line("the body of the answer is not JSON"), maybe_billed=True) from None
    except ValueError as error:  # lone surrogates in a prompt, for one
        raise RejectedError(failures.line("the request cannot be sent", str(error))) from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks us to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    written = headers.get("retry-after")
    seconds = _number(written)
    if seconds is None and written:
        try:
            seconds = email.utils.parsedate_to_datetime(written).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if seconds is None else max(0.0, seconds)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def said_in(body: object) -> str:
    """The provider's message in the body of an error, wherever servers put it; and of a router, what the provider behind
    it said."""
    sources: list[object] = []
    said = _innermost(body, sources)
    for raw in reversed(sources):
        beside = _innermost(raw, [])
        said = said if beside in said else f"{said}: {beside}"
    return said


def _innermost(body: object, sources: list[object]) -> str:
    """What is said under as many names as stand around it; ``sources`` gets what stands beside."""
    while True:
        if isinstance(body, list) and body and isinstance(body[0], Mapping) and "error" in body[0]:
            body = body[0]
        inner = next((value for value in under(body, _SAID) if value), None) if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or inner is None:
            break
        metadata = body.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("raw"):
            sources.append(metadata["raw"])
        body = inner
    if isinstance(body, str):
        return re.sub(r"<[^<>]*>", " ", body)  # a proxy's page
    return "" if body is None else _spelled(body)


def _spelled(value: object) -> str:
    try:
        return json.dumps(value, default=str)
    except (RecursionError, ValueError):  # what is nested so deep says nothing
        return ""


def _out_of_money(body: object, said: str) -> bool:
    """Whether it says that nobody has paid, which no waiting mends; providers say so with 400 and 429 too."""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    named = isinstance(error, Mapping) and any(error.get(key) in _OUT_OF_MONEY for key in ("code", "type"))
    return named or said.startswith("Your credit balance is too low")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__  # never the context: that may be whatever the caller was handling
