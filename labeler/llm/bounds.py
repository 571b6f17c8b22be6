"""The most that a call can take in, before any provider has counted it."""

from __future__ import annotations

from labeler.llm.protocol import Request

FRAMING_TOKENS = 1_000
"""More than any provider adds of its own: marks between the turns, and its instructions for a wanted form."""


def most_input(request: Request, *forms: str) -> int:
    """No fewer than the input tokens of a request whose schema, if it has one, is sent in one of these forms.

    A token of the hosted models stands for at least one byte of what it was made from.
    """
    longest = max(map(_n_bytes, forms), default=0)
    return _n_bytes(request.system) + _n_bytes(request.prompt) + longest + FRAMING_TOKENS


def _n_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))  # lone surrogates are for the server to reject
