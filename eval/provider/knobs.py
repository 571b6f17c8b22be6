"""How a provider behaves: how fast, how much a minute, what goes wrong how often, at which prices."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

NOT_TAKEN = ("rate_limited", "server_error", "overloaded", "timeout", "reset")
"""Faults in which nothing is done and nothing billed."""
LOST = ("timeout_billed", "reset_billed")
"""Faults in which what was asked is done and billed, and no answer arrives."""
SPOILT = ("truncated", "malformed", "wrong_schema", "empty", "refusal")
"""Faults in which an answer arrives, is billed, and is of no use."""
FAULTS = (*NOT_TAKEN, *LOST, *SPOILT, "slow")
"""Every fault; each is a knob of that name."""


def _knob(default: Any, says: str) -> Any:
    return dataclasses.field(default=default, metadata={"says": says})


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """Each is an option of ``python -m eval.provider``, and what it is for is said there.

    Faults are probabilities a request. Those of the wire hold for single requests and for the submission of a batch;
    those that spoil an answer hold for single requests and for every request of a batch. Raises ValueError where they
    are no probabilities.
    """

    seed: int = _knob(0, "what happens to the n-th sending of a request depends on this and on what it asks alone")
    latency: float = _knob(0.0, "median seconds until an answer")
    spread: float = _knob(0.5, "standard deviation of the latency's logarithm")

    requests_per_minute: float | None = _knob(None, "of each model; none: no limit")
    input_tokens_per_minute: float | None = _knob(
        None, "of each model, those read from the cache left out; OpenAI limits the sum with the next"
    )
    output_tokens_per_minute: float | None = _knob(None, "of each model")

    rate_limited: float = _knob(0.0, "share of requests answered by 429 though there was room")
    server_error: float = _knob(0.0, "share of requests answered by 500")
    overloaded: float = _knob(0.0, "share of requests answered by 529 (Anthropic) or 503 (OpenAI)")
    timeout: float = _knob(0.0, "share of requests that hang and are not billed")
    timeout_billed: float = _knob(0.0, "share of requests that hang and are billed")
    reset: float = _knob(0.0, "share of requests whose connection is dropped before they are billed")
    reset_billed: float = _knob(0.0, "share of requests whose connection is dropped after they were billed")
    truncated: float = _knob(0.0, "share of answers cut as if at their most tokens, which are billed")
    malformed: float = _knob(0.0, "share of answers that are broken JSON")
    wrong_schema: float = _knob(0.0, "share of answers that are JSON of another form")
    empty: float = _knob(0.0, "share of answers without text")
    refusal: float = _knob(0.0, "share of answers that decline")
    slow: float = _knob(0.0, "share of answers sent in small pieces")
    hang_seconds: float = _knob(60.0, "how long a request hangs before its connection is dropped")
    slow_seconds: float = _knob(2.0, "how long an answer in small pieces takes")

    batch_seconds: float = _knob(0.0, "until a batch ends; its requests are done evenly over that time")
    batch_errored: float = _knob(0.0, "share of a batch's requests that end in a server's error")
    batch_expired: float = _knob(0.0, "share of a batch's requests that expire")
    batch_fails_first: int = _knob(0, "how many batches of each API fail as a whole, the first ones")

    input_price: float = _knob(1.0, "USD per million input tokens; Anthropic's cache is written at 1.25 of it")
    cached_price: float = _knob(0.1, "USD per million input tokens that were read from the cache")
    output_price: float = _knob(5.0, "USD per million output tokens; batches cost half of everything")
    cache_minimum: int = _knob(1024, "tokens that a prefix needs to be cached")

    def __post_init__(self) -> None:
        for names in (FAULTS, ("batch_errored", "batch_expired")):
            rates = [getattr(self, name) for name in names]
            if min(rates) < 0 or sum(rates) > 1 + 1e-9:
                raise ValueError(f"{', '.join(names)} are probabilities, which are not below 0 and add up to 1 at most")

    @classmethod
    def faults(cls, rate: float, **others: Any) -> Knobs:
        """So many of all requests go wrong, in every way equally often."""
        return cls(**{**dict.fromkeys(FAULTS, rate / len(FAULTS)), **others})
