"""Exchanging JSON with a provider through the client of its SDK, which knows how to log in there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from types import ModuleType
from typing import Any

from httpx2 import Response

from labeler.llm.errors import MalformedError, OversizedError, TimedOutError
from labeler.llm.events import has_ended, is_stream, put_together
from labeler.llm.failures import Failures, translated
from labeler.llm.foreign import parsed
from labeler.llm.patience import patience
from labeler.llm.transport import CONNECT_SECONDS, IDLE_SECONDS

LONGEST = 8 * 2**20
"""Bytes of an answer, or of a line of a batch's results; an answer takes a thousandth of it."""
LONGEST_RESULTS = 2**30
"""Bytes of all results of a batch."""
RESULTS_SECONDS = 3600.0
"""How long reading the results of a batch may take."""


class Wire:
    """One endpoint. Raises only the errors of ``labeler.llm.errors``, named, in one line, without its key.

    The answers are taken as JSON and not as the SDK's types, into which it forces whatever a server sent. They are read
    as they come, so that none can be larger, or take longer, than an answer may.
    """

    def __init__(
        self, client: Any, sdk: ModuleType, failures: Failures, seconds: float, idle: float = IDLE_SECONDS
    ) -> None:
        """``seconds`` is how long a usual call may take in all, ``idle`` how long an answer that has begun may pause."""
        self._client = client
        self._sdk = sdk
        self._failures = failures
        self._seconds = seconds
        self._idle = min(idle, seconds)

    async def post(self, path: str, body: Mapping[str, Any], room: int = 0) -> tuple[object, Mapping[str, str]]:
        """The JSON that comes back, and the headers; ``room`` is how many tokens may be written of it.

        Whoever cannot read it cannot know whether it was billed.
        """
        seconds = patience(room, self._seconds)
        timeout = self._sdk.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        call = self._client.post(path, body=body, options={"timeout": timeout}, **self._streaming())
        return await self._fetched(call, seconds)

    async def send(self, path: str, body: Mapping[str, Any], seconds: float) -> object:
        """The same for what is large, and takes longer than a question may."""
        call = self._client.post(path, body=body, options={"timeout": seconds}, **self._streaming())
        return (await self._fetched(call, seconds))[0]

    async def upload(self, path: str, name: str, content: bytes, fields: Mapping[str, str], seconds: float) -> object:
        """The JSON that comes back for a file."""
        options = {"timeout": seconds, "headers": {"Content-Type": "multipart/form-data"}}
        files = [("file", (name, content))]
        call = self._client.post(path, body=fields, files=files, options=options, **self._streaming())
        return (await self._fetched(call, seconds))[0]

    async def get(self, path: str, **params: str | int) -> object:
        """The JSON at a path."""
        call = self._client.get(path, options={"params": params}, **self._streaming())
        return (await self._fetched(call, self._seconds))[0]

    async def lines(self, path: str) -> AsyncGenerator[bytes]:
        """The lines of what may be large, as they come; none is held longer than it is looked at."""
        clock = asyncio.get_running_loop().time
        end, n_bytes = clock() + RESULTS_SECONDS, 0
        response: Response = await self._translated(self._client.get(path, **self._streaming()), self._seconds)
        try:
            chunks, left = response.aiter_bytes(), bytearray()
            while (chunk := await self._translated(anext(chunks, None), self._seconds)) is not None:
                n_bytes += len(chunk)
                if n_bytes > LONGEST_RESULTS or clock() > end:
                    raise OversizedError(self._failures.line("the results never end"))
                *whole, end_of_chunk = chunk.split(b"\n")
                for line in whole:
                    yield bytes(left + line)
                    left.clear()
                left += end_of_chunk
                if len(left) > LONGEST:
                    raise OversizedError(self._failures.line("a line of the results never ends"))
            if left:
                yield bytes(left)
        finally:
            await response.aclose()

    def _streaming(self) -> dict[str, Any]:
        return {"cast_to": Response, "stream": True, "stream_cls": self._sdk.AsyncStream}

    async def _fetched(self, call: Awaitable[Response], seconds: float) -> tuple[object, Mapping[str, str]]:
        async def whole() -> tuple[bytes, Mapping[str, str]]:
            response = await call
            try:
                return await self._content(response), response.headers
            finally:
                await response.aclose()

        content, headers = await self._translated(whole(), seconds)
        try:
            return put_together(content) if is_stream(content) else parsed(content), headers
        except ValueError as error:
            said = str(error) if is_stream(content) else "the body of the answer is not JSON; is the base url right?"
            raise MalformedError(self._failures.line(said), maybe_billed=True) from None

    async def _content(self, response: Response) -> bytes:
        """The body, as far as it may go, without blanks before it; a stream of events ends where it says so."""
        chunks, content, n_bytes = response.aiter_bytes(), bytearray(), 0
        while True:
            try:
                # Until it begins, the time of the whole is what counts: a model may think before it says anything.
                async with asyncio.timeout(self._idle if content else None):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                line = self._failures.line(f"the answer stopped coming for {self._idle:g} s")
                raise TimedOutError(line, maybe_billed=True) from None
            if chunk is None:
                return bytes(content)
            content += chunk if content else chunk.lstrip()  # blanks are how some servers say that they are at it
            n_bytes += len(chunk)
            if n_bytes > LONGEST:
                line = self._failures.line(f"the answer is longer than {LONGEST >> 20} MB")
                raise OversizedError(line, maybe_billed=True)
            if is_stream(content) and has_ended(content, len(chunk)):
                return bytes(content)

    async def _translated(self, call: Awaitable[Any], seconds: float) -> Any:
        return await translated(call, self._sdk, self._failures, seconds)


def compact(value: Mapping[str, Any]) -> bytes:
    """A line of a file of requests."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
