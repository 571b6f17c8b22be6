"""What a server says of a request that is too long for its model, in the words of many servers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

_LEAST_CONTEXT, _MOST_CONTEXT = 256, 100_000_000
"""Tokens: what is outside is no model's context."""
_MATCHES = 100
"""How many phrases of one kind are looked at in what a server says."""

# Every pattern takes linear time of any text: what repeats is bounded, and a number is looked at from its first digit.
_N = r"(?<!\d)(\d{1,12})"
_CONTEXT = r"context[\s_]?(?:length|size|window|limit)"
_MAX_TOKENS = r"max\w{0,30}tokens"
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|string_above_max_length"
    rf"|(?:exceed|maximum|longer|larger|greater|bigger|too (?:long|large|big)|overflow|reduce|increas|available)"
    rf"[^.]{{0,120}}{_CONTEXT}"
    rf"|{_CONTEXT}[^.]{{0,80}}(?:exceed|too (?:small|short)|overflow|maximum)"
    r"|context the overflows"
    r"|\b(?:prompt|input|requests?|messages?|conversation|inputs)\b[^.]{0,40}\btoo (?:long|large)\b"
    r"|too many (?:input |prompt )?tokens|max input tokens: \d|reduce the length of|please reduce your prompt"
    r"|must have less than \d{1,12} tokens|maximum (?:prompt|input|model|sequence) length|range of input length"
    r"|max_(?:total|input|model|seq)_(?:tokens|len)|`inputs` tokens \+ `max_new_tokens`"
    r"|(?:prompt|input|sequence) length[^.]{0,60}(?:exceed|longer|greater|maximum)"
    r"|\b(?:prompt|input|messages?|tokens?)\b[^.]{0,60}\bexceeds?\b[^.]{0,40}\b(?:length|limit|max|maximum|allowed)\b"
    r"|exceed(?:ed|s|ing)? (?:the )?(?:model(?:'s)? )?(?:token limit|session_len|max_num_tokens)"
    r"|(?:larger|longer|greater) than the (?:model(?:'s)? )?(?:prompt|input|token) (?:length )?limit",
    re.IGNORECASE,
)


def _patterns(*written: str) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.IGNORECASE) for pattern in written]


_MOST_WRITTEN = _patterns(
    rf"at most {_N} (?:completion|output) tokens",
    rf"max_tokens: \d{{1,12}} > {_N}, which is the maximum allowed",
    # With what is put in, it is the context.
    rf"(?<!\+ )(?<!\+ `)\b{_MAX_TOKENS}\W{{1,3}}(?:value )?(?:input )?(?:must|should|can ?not|may not) (?:be )?"
    rf"(?:at most|less than or equal to|<=|no more than|not exceed|exceed|greater than|larger than)\W{{1,3}}{_N}",
    rf"range of {_MAX_TOKENS} (?:is|should be) \[\d{{1,12}}, ?{_N}\]",
    rf"{_MAX_TOKENS} value of \d{{1,12}} but the supported range is from \d{{1,12}}(?: \(inclusive\))? to {_N}"
    r"(?: \(exclusive\))?",
    rf"(?:maximum tokens|{_MAX_TOKENS})\b[^.]{{0,60}}exceeds? the model(?:'s)? limit of {_N}",
)
_LIMIT = _patterns(
    rf"context limit: \d{{1,12}} \+ \d{{1,12}} > {_N}",
    rf"maximum context (?:length|size|window) (?:is|of) (?:only )?{_N}",
    rf"{_N} maximum context length",
    rf"context length of only {_N}",
    rf"{_CONTEXT}:? (?:is |of )?\(?(?:only )?{_N}",
    rf"\d tokens > {_N} maximum",
    rf"`max_new_tokens` must be <= {_N}",
    rf"must have less than {_N} tokens",
    rf"n_ctx\W{{1,4}}{_N}",
    rf"maximum number of tokens allowed \(?{_N}",
    rf"tokens in the prompt cannot exceed {_N}",
    rf"maximum (?:prompt|input|model|sequence) length (?:is |of )?\(?{_N}",
    rf"max_(?:model|input|seq)_(?:len\w{{0,10}}|tokens)\W{{1,4}}{_N}",
    rf"range of input length (?:is|should be) \[\d{{1,12}}, ?{_N}\]",
    rf"(?:token limit|length limit|configured limit|maximum allowed|max input tokens)\W{{0,3}}(?:of |is )?\(?{_N}",
    rf"(?:session_len|max_num_tokens)\W{{1,4}}{_N}",
    rf"while (?:the )?limit is {_N}",
)
_PROMPT = _patterns(
    rf"{_N} in the (?:messages|prompt)",
    rf"{_N} (?:tokens )?(?:of|from) (?:the |text )?input",
    rf"messages resulted in {_N}",
    rf"(?:has|contains|passed)(?: at least)? {_N} (?:input |prompt )?tokens",
    rf"prompt is too long: {_N}",
    rf"context limit: {_N} \+",
    rf"n_prompt_tokens\W{{1,4}}{_N}",
    rf"\b(?:input|request|prompt)(?: token count| length)? \({_N}",
    rf"Given: {_N}",
    rf"keep the first {_N}",
    rf"received {_N}",
    rf"current length is {_N}",
)


@dataclass(frozen=True)
class Excess:
    """What a server says of a length, in tokens; None where it does not say."""

    written: int | None = None
    """The most that its model writes, where the room for the answer is what was too much."""
    context: int | None = None
    """The most that the model takes in and writes together."""
    prompt: int | None = None
    """What it counted of the request."""
    own: bool = True
    """Whether these are the server's own words: it may have quoted what it was sent."""


def excess(said: str, status: int, sent: str = "") -> Excess | None:
    """What is too long by the words of a rejection and its HTTP status; None where it is about something else.

    ``said`` is untrusted: numbers that stand with the same words in what was sent are not taken from it, and those that
    are have to be held against what was sent and taken.
    """
    plain, sent = _plain(said), _words(_plain(sent))
    written = _first(_MOST_WRITTEN, plain, sent)
    if written is not None:
        return Excess(written=written)
    words = [found[0] for found in islice(_TOO_LONG.finditer(plain), _MATCHES)]
    if status != 413 and not words:
        return None
    context, prompt = _first(_LIMIT, plain, sent), _first(_PROMPT, plain, sent)
    own = status == 413 or context is not None or prompt is not None or any(_words(one) not in sent for one in words)
    if context is not None and not _LEAST_CONTEXT <= context <= _MOST_CONTEXT:
        context = None
    return Excess(context=context, prompt=prompt, own=own)


def is_too_long(reason: str) -> bool:
    """Whether a request was not taken because of its length, by the line that is kept of why it was not."""
    found = excess(reason, 413 if "HTTP 413" in reason else 400)
    return found is not None and found.written is None


def _first(patterns: Sequence[re.Pattern[str]], text: str, sent: str) -> int | None:
    for pattern in patterns:
        for found in islice(pattern.finditer(text), _MATCHES):
            if not sent or _words(found[0]) not in sent:
                return int(found[1]) - found[0].endswith("(exclusive)")
    return None


def _plain(text: str) -> str:
    """Without the commas of thousands."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def _words(text: str) -> str:
    """Words and numbers alone: servers quote with marks of their own."""
    return " ".join(re.findall(r"\w+", text.lower()))
