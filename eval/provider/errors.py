"""What the provider says instead of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(eq=False)
class ApiError(Exception):
    """An HTTP error, in the terms of both APIs."""

    status: int
    message: str
    param: str | None = None
    """Which part of the request is meant, as OpenAI says."""
    code: str | None = None
    """OpenAI's name for it."""
    headers: Mapping[str, str] = field(default_factory=dict)


def anthropic_type(status: int) -> str:
    """Anthropic's name for what a status means."""
    names = {400: "invalid_request_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error"}
    return names.get(status, "overloaded_error" if status == 529 else "api_error")


def openai_type(status: int) -> str:
    """OpenAI's name for it."""
    return "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error"
