"""The HTTP client under both SDKs, and what it lets out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from httpx2 import AsyncByteStream

from labeler.llm.endpoints import NO_KEY, Endpoint
from labeler.llm.failures import BROKEN

SUBMIT_SECONDS = 240.0
"""How long sending a batch may take; less than anybody waits before asking whether it arrived."""
CONNECT_SECONDS = 10.0
"""How long reaching the server may take."""
IDLE_SECONDS = 60.0
"""How long an answer that has begun to come may pause."""
LONGEST_ERROR = 64 * 2**10
"""Bytes of a refusal that are read; its words stand at the beginning."""

_HARMLESS = {
    *("host", "connection", "content-length", "content-type", "transfer-encoding"),
    *("accept", "accept-encoding", "user-agent", "anthropic-version"),
}


def http_client(make: Callable[..., Any], endpoint: Endpoint) -> Any:
    """An SDK's ``DefaultAioHttpClient`` (``make``) for one endpoint.

    It follows no redirect, which could carry a key to another host. To a server that is not the provider's it sends
    only headers known to be harmless, beside the key that was meant for it: the SDKs add what they find in variables
    such as ``OPENAI_ORG_ID`` and ``ANTHROPIC_CUSTOM_HEADERS``.
    """

    async def bound(response: Any) -> None:
        if response.status_code >= 300:  # the SDKs read it to its end, which need not come
            response.headers.pop("content-encoding", None)
            response.stream = _Beginning(response.stream)

    async def guard(request: Any) -> None:
        for header in set(request.headers.keys()):
            if header.lower() not in _HARMLESS:
                del request.headers[header]
        request.headers["authorization"] = f"Bearer {endpoint.key or NO_KEY}"

    async def plain(request: Any) -> None:
        request.headers["accept-encoding"] = "identity"  # so that a size is what it seems

    return make(
        follow_redirects=False,
        trust_env=not endpoint.origin.loopback,  # a proxy of the environment is not for servers on this machine
        event_hooks={"request": [plain] if endpoint.trusted else [plain, guard], "response": [bound]},
    )


class _Beginning(AsyncByteStream):
    """The beginning of a body, as much as comes of it without a pause: its status has said what it is."""

    def __init__(self, whole: AsyncByteStream) -> None:
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, chunks = LONGEST_ERROR, aiter(self._whole)
        while left > 0:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    chunk = await anext(chunks)
            except (StopAsyncIteration, *BROKEN):  # a pause that is too long among them
                return
            yield chunk[:left]
            left -= len(chunk)

    async def aclose(self) -> None:
        """See the base."""
        await self._whole.aclose()
