"""Errors that a server tells in the body of a 200: routers do so when a provider behind them fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STATUSES = {
    "invalid_request_error": 400,
    "bad_request": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthorized": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "forbidden": 403,
    "not_found": 404,
    "not_found_error": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "ratelimiterror": 429,
    "too_many_requests": 429,
    "overloaded_error": 529,
}
_WORDS = {
    429: re.compile(r"rate.?limit|too many requests", re.IGNORECASE),
    402: re.compile(r"insufficient (?:balance|credits?|funds)", re.IGNORECASE),
    404: re.compile(r"model\b.{0,80}\b(?:not found|does not exist)|no endpoints? found", re.IGNORECASE),
}
_UNTOLD = 500
"""What an error is that does not say what it is: it may pass."""


def told(body: object) -> tuple[int, Mapping[str, Any]] | None:
    """The HTTP status that an error in a body would have had, and the part that tells of it; None where there is none."""
    if not isinstance(body, Mapping):
        return None
    error = _error_in(body)
    if error is None:
        return None
    return _status(error), {"error": error}


def _error_in(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if body.get("type") == "error" or body.get("object") == "error":
        return _as_error(body.get("error")) or body
    found = _as_error(body.get("error"))
    if found is not None:
        return found
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(first, Mapping):
        found = _as_error(first.get("error"))
        if found is None and first.get("finish_reason") == "error":
            return {"message": "the provider broke off"}
        return found
    if choices or "content" in body:
        return None
    # Without an answer, anything that names a failure is one.
    for name in ("errors", "base_resp", "detail"):
        value = body.get(name)
        found = _as_error(value[0] if isinstance(value, list) and value else value)
        if found is not None:
            return found
    if _number(body) is not None and any(body.get(name) for name in ("message", "msg")):
        return body
    return {"message": "there is no answer in it"} if "choices" in body and choices is None else None


def _as_error(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        return {"message": value} if value.strip() else None
    if not isinstance(value, Mapping):
        return None
    # Some servers send the frame of an error with every answer, and nothing in it.
    return value if any(one not in (None, "", 0, "0", False, {}, []) for one in value.values()) else None


def _status(error: Mapping[str, Any]) -> int:
    number = _number(error)
    if number is not None:
        return number
    for name in ("code", "type", "status"):
        word = error.get(name)
        if isinstance(word, str):
            status = _STATUSES.get(re.sub(r"[\s-]+", "_", word.strip().lower()))
            if status is not None:
                return status
    said = " ".join(str(value) for value in error.values() if isinstance(value, str))
    return next((status for status, words in _WORDS.items() if words.search(said)), _UNTOLD)


def _number(error: Mapping[str, Any]) -> int | None:
    """An HTTP status of an error, as a number or a text, wherever it stands."""
    for name in ("code", "status", "status_code", "http_status", "type"):
        value = error.get(name)
        text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if re.fullmatch(r"[45]\d\d", text, re.ASCII):
            return int(text)
    return None
