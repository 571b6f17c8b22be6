"""The most that a call can take in, before any provider has counted it."""

from __future__ import annotations

from collections.abc import Mapping

from labeler.llm.protocol import Request

_NOT_READ = {"model", "role", "type", "cache_control", "reasoning_effort"}


def text_of(value: object) -> str:
    """All texts of a body, or of a part of one, each below the other; those of its schema too, for they are billed."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(text_of(one) for key, one in value.items() if key not in _NOT_READ)
    if isinstance(value, list | tuple):
        return "\n".join(map(text_of, value))
    return ""


FRAMING_TOKENS = 1_000
"""More than any provider adds of its own: marks between the turns, and its instructions for a wanted form."""


def most_input(request: Request, *forms: str) -> int:
    """No fewer than the input tokens of a request whose schema, if it has one, is sent in one of these forms.

    A token of the hosted models stands for at least one byte of what it was made from.
    """
    return n_bytes(request, *forms) + FRAMING_TOKENS


def n_bytes(request: Request, *forms: str) -> int:
    """How long a request is, in bytes, with the longest of the forms that its schema may be sent in."""
    return sum(map(_n_bytes, (request.system, request.prompt))) + max(map(_n_bytes, forms), default=0)


def _n_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))  # lone surrogates are for the server to reject
