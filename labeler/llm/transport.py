"""The HTTP client under both SDKs, and what it lets out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labeler.llm.endpoints import NO_KEY, Endpoint

TOTAL_SECONDS = 120.0
"""How long one call may take."""
SUBMIT_SECONDS = 240.0
"""How long sending a batch may take; less than anybody waits before asking whether it arrived."""
CONNECT_SECONDS = 10.0
"""How long reaching the server may take."""

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

    async def guard(request: Any) -> None:
        for header in set(request.headers.keys()):
            if header.lower() not in _HARMLESS:
                del request.headers[header]
        request.headers["authorization"] = f"Bearer {endpoint.key or NO_KEY}"

    return make(
        follow_redirects=False,
        trust_env=not endpoint.origin.loopback,  # a proxy of the environment is not for servers on this machine
        event_hooks={"request": [] if endpoint.trusted else [guard]},
    )
