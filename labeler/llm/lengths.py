"""What a server says of a request that is too long for its model, in the words of many servers."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LEAST_CONTEXT, _MOST_CONTEXT = 256, 100_000_000
"""Tokens: what is outside is no model's context."""

_CONTEXT = r"context[\s_]?(?:length|size|window|limit)"
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|string_above_max_length"
    rf"|(?:exceed|maximum|longer|larger|greater|bigger|too (?:long|large|big)|overflow|reduce|increas|available)"
    rf"[^.]{{0,120}}{_CONTEXT}"
    rf"|{_CONTEXT}[^.]{{0,80}}(?:exceed|too (?:small|short)|overflow|maximum)"
    r"|context the overflows"
    r"|\b(?:prompt|input|requests?|messages?|conversation|inputs)\b[^.]{0,40}\btoo (?:long|large)\b"
    r"|too many (?:input |prompt )?tokens|input token count[^.]{0,40}exceed|input length[^.]{0,60}exceed"
    r"|reduce the length of|please reduce your prompt|must have less than \d+ tokens"
    r"|max_(?:total|input|model|seq)_(?:tokens|len\w*)|`inputs` tokens \+ `max_new_tokens`"
    r"|(?:prompt|input|sequence) length[^.]{0,40}(?:exceed|longer|greater|maximum)",
    re.IGNORECASE,
)
_MOST_WRITTEN = [
    r"at most (\d+) (?:completion|output) tokens",
    r"max_tokens: \d+ > (\d+), which is the maximum allowed",
    r"max\w*_tokens\W{1,3}(?:must|should) be less than or equal to\W{1,3}(\d+)",
    r"valid range of max\w*_tokens is \[\d+, ?(\d+)\]",
]
_LIMIT = [
    r"maximum context (?:length|size|window) (?:is|of) (?:only )?(\d+)",
    r"(\d+) maximum context length",
    r"context length of only (\d+)",
    rf"{_CONTEXT} (?:is |of )?\(?(?:only )?(\d+)",
    r"context limit: \d+ \+ \d+ > (\d+)",
    r"\d+ tokens > (\d+) maximum",
    r"`max_new_tokens` must be <= (\d+)",
    r"must have less than (\d+) tokens",
    r"n_ctx\W{1,4}(\d+)",
    r"maximum number of tokens allowed \(?(\d+)",
    r"tokens in the prompt cannot exceed (\d+)",
    r"maximum input length (?:is |of )?\(?(\d+)",
    r"max_(?:model|input|seq)_(?:len\w*|tokens)\W{1,4}(\d+)",
]
_PROMPT = [
    r"(\d+) in the (?:messages|prompt)",
    r"(\d+) (?:tokens )?(?:of|from) (?:the |text )?input",
    r"messages resulted in (\d+)",
    r"(?:has|contains|passed)(?: at least)? (\d+) (?:input |prompt )?tokens",
    r"prompt is too long: (\d+)",
    r"context limit: (\d+) \+",
    r"n_prompt_tokens\W{1,4}(\d+)",
    r"\b(?:input|request|prompt)(?: token count| length)? \((\d+)",
    r"Given: (\d+)",
    r"keep the first (\d+)",
    r"received (\d+)",
]


@dataclass(frozen=True)
class Excess:
    """What a server says of a length, in tokens; None where it does not say."""

    written: int | None = None
    """The most that its model writes, where the room for the answer is what was too much."""
    context: int | None = None
    """The most that the model takes in and writes together."""
    prompt: int | None = None
    """What it counted of the request."""


def excess(said: str, status: int) -> Excess | None:
    """What is too long by the words of a rejection and its HTTP status; None where it is about something else.

    ``said`` is untrusted and may quote the prompt, so that the answer is to be held against what was sent.
    """
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", said)
    written = _first(_MOST_WRITTEN, plain)
    if written is not None:
        return Excess(written=written)
    if status != 413 and not _TOO_LONG.search(plain):
        return None
    context = _first(_LIMIT, plain)
    if context is not None and not _LEAST_CONTEXT <= context <= _MOST_CONTEXT:
        context = None
    return Excess(context=context, prompt=_first(_PROMPT, plain))


def is_too_long(reason: str) -> bool:
    """Whether a request was not taken because of its length, by the line that is kept of why it was not."""
    found = excess(reason, 413 if "HTTP 413" in reason else 400)
    return found is not None and found.written is None


def _first(patterns: list[str], text: str) -> int | None:
    found = (re.search(pattern, text, re.IGNORECASE) for pattern in patterns)
    return next((int(one[1][:12]) for one in found if one is not None), None)
