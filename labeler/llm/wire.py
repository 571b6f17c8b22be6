"""Exchanging JSON with a provider through the client of its SDK, which knows how to log in there."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from types import ModuleType
from typing import Any

from httpx2 import Response

from labeler.llm.errors import MalformedError
from labeler.llm.failures import Failures, translated
from labeler.llm.foreign import parsed

LONGEST_LINE = 16 * 2**20
"""Bytes of a line of a batch's results; an answer takes a thousandth of it."""


class Wire:
    """One endpoint. Raises only the errors of ``labeler.llm.errors``, named, in one line, without its key.

    The answers are taken as JSON and not as the SDK's types, into which it forces whatever a server sent.
    """

    def __init__(self, client: Any, sdk: ModuleType, failures: Failures, seconds: float) -> None:
        self._client = client
        self._sdk = sdk
        self._failures = failures
        self._seconds = seconds

    async def post(self, path: str, body: Mapping[str, Any]) -> tuple[object, Mapping[str, str]]:
        """The JSON that comes back, and the headers. Whoever cannot read it cannot know whether it was billed."""
        response = await self._response(self._client.post(path, body=body, cast_to=Response))
        return self._read(response), response.headers

    async def send(self, path: str, body: Mapping[str, Any], seconds: float) -> object:
        """The same for what is large, and takes longer than a question may."""
        options = {"timeout": seconds}
        call = self._client.post(path, body=body, cast_to=Response, options=options)
        return self._read(await self._response(call, seconds))

    async def upload(self, path: str, name: str, content: bytes, fields: Mapping[str, str], seconds: float) -> object:
        """The JSON that comes back for a file."""
        options = {"timeout": seconds, "headers": {"Content-Type": "multipart/form-data"}}
        files = [("file", (name, content))]
        call = self._client.post(path, body=fields, files=files, cast_to=Response, options=options)
        return self._read(await self._response(call, seconds))

    async def get(self, path: str, **params: str | int) -> object:
        """The JSON at a path."""
        return self._read(await self._response(self._client.get(path, cast_to=Response, options={"params": params})))

    async def lines(self, path: str) -> AsyncGenerator[bytes]:
        """The lines of what may be large, as they come; none is held longer than it is looked at."""
        call = self._client.get(path, cast_to=Response, stream=True, stream_cls=self._sdk.AsyncStream)
        response: Response = await self._response(call)
        try:
            chunks, left = response.aiter_bytes(), b""
            while (chunk := await self._translated(anext(chunks, None), self._seconds)) is not None:
                *whole, left = (left + chunk).split(b"\n")
                for line in whole:
                    yield line
                if len(left) > LONGEST_LINE:
                    raise MalformedError(self._failures.line("a line of the results never ends"))
            if left:
                yield left
        finally:
            await response.aclose()

    async def _response(self, call: Awaitable[Response], seconds: float | None = None) -> Response:
        return await self._translated(call, seconds or self._seconds)

    async def _translated(self, call: Awaitable[Any], seconds: float) -> Any:
        return await translated(call, self._sdk, self._failures, seconds)

    def _read(self, response: Response) -> object:
        try:
            return parsed(response.content)
        except ValueError:
            line = self._failures.line("the body of the answer is not JSON; is the base url right?")
            raise MalformedError(line, maybe_billed=True) from None


def compact(value: Mapping[str, Any]) -> bytes:
    """A line of a file of requests."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
