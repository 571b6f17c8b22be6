"""The answer to one request: its text and tokens, whichever API it is told in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from eval.provider.asked import Asked
from eval.provider.counting import Cache, Counts, input_tokens, tokens
from eval.provider.knobs import SPOILT
from eval.provider.rules import answer

THOUGHT = "First I look at what is asked, then at every context in turn."
REFUSAL = "I cannot help with that."
REASONING_TOKENS = 64
"""What a model bills that reasons unseen, where there is room for it."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """An answer."""

    text: str
    stop: Literal["end", "truncated", "refusal"] = "end"
    thinking: str = ""
    """What Claude thinks before it."""
    reasoning_tokens: int = 0
    """Those of the output tokens that went into reasoning unseen."""
    counts: Counts
    useful: bool = True
    """Whether it is what was asked for."""


def make(asked: Asked, fault: str | None, cache: Cache) -> Made:
    """What is answered, spoilt by a fault of SPOILT; other faults leave it as it is. Never more than was allowed."""
    read, written = cache.look(asked)
    thinking = THOUGHT if asked.api == "anthropic" and "thinking" in asked.model else ""
    reasoning = REASONING_TOKENS if asked.api == "openai" and "reasoning" in asked.model else 0
    text = _text(asked, fault)
    counts = Counts(
        input_tokens=input_tokens(asked),
        cached_tokens=read,
        written_tokens=written,
        output_tokens=max(1, tokens(text) + tokens(thinking) + reasoning),
    )
    made = Made(
        text=text,
        stop="refusal" if fault == "refusal" else "end",
        thinking=thinking,
        reasoning_tokens=reasoning,
        counts=counts,
        useful=fault not in SPOILT,
    )
    most = asked.max_tokens
    if fault == "truncated":
        return _cut(made, len(text.encode()) // 2, most or counts.output_tokens)
    if most is not None and counts.output_tokens > most:
        return _cut(made, 4 * max(0, most - tokens(thinking) - reasoning), most)
    return made


def _text(asked: Asked, fault: str | None) -> str:
    if fault == "refusal" and asked.api == "openai":
        return REFUSAL
    if fault in ("empty", "refusal"):
        return ""
    if fault == "wrong_schema":
        return '{"something": ["else"]}'
    text = answer(asked.user, asked.schema)
    return text[: max(1, 2 * len(text) // 3)] + "…" if fault == "malformed" else text


def _cut(made: Made, n_bytes: int, output_tokens: int) -> Made:
    return dataclasses.replace(
        made,
        text=made.text.encode()[:n_bytes].decode(errors="ignore"),
        stop="truncated",
        reasoning_tokens=min(made.reasoning_tokens, output_tokens),
        counts=dataclasses.replace(made.counts, output_tokens=output_tokens),
        useful=False,
    )
