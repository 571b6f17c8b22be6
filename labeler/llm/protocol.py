"""Asking a language model: what a request needs, what a backend can, what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question."""

    prompt: str
    """What the user says."""
    system: str = ""
    """What stands before it; the same for many requests, so that providers can cache it."""
    schema: type[BaseModel] | None = None
    """The form of the answer; a backend without schemas refuses such a request (see ``Capabilities``)."""
    max_tokens: int = 500
    """The most that the answer may take, thinking included; a backend may leave more room for that (see ``bound``)."""
    temperature: float | None = None
    """None leaves it to the provider; backends whose models reject it leave it out."""
    draw: int = 0
    """Which of several answers to the same question this is."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one call took; ``usd`` is None where the price is unknown, 0 where nobody is paid."""

    input_tokens: int = 0
    cached_tokens: int = 0
    """Those of the input tokens that the provider read from its cache."""
    output_tokens: int = 0
    usd: float | None = 0.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    text: str
    parsed: BaseModel | None = None
    """An instance of the request's schema, where it had one."""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a backend can do beside answering in plain text."""

    schema: bool = False
    logprobs: bool = False
    """Whether it may give log-probabilities of a given text. Of a server this is known only once it was asked: one that
    gives none raises RejectedError then."""
    shares_prefix: bool = False
    """Whether one call for log-probabilities should hold many texts, which share the work of the prefix."""


@dataclass(frozen=True, eq=False)
class TextLogprobs:
    """Log-probabilities of a text's tokens under a model, given what stands before it."""

    offsets: NDArray[np.int64]
    """[n_tokens, 2] where each token of the *model* begins and ends in the text, in characters; several tokens that
    make one character all have its place."""
    logprobs: NDArray[np.float32]
    """[n_tokens], natural logarithms."""
    among: NDArray[np.float32] | None = None
    """[n_tokens, n_alternatives] what each alternative had instead of the token; -inf where a server did not list it
    among the likeliest. None where nobody asked."""
    usage: Usage = field(default_factory=Usage)
    """What this text took."""


class Backend(Protocol):
    """A language model that can be asked. Every method raises only the errors of ``labeler.llm.errors``."""

    name: str
    """``provider:model`` as the user wrote it."""
    capabilities: Capabilities

    async def ask(self, request: Request) -> Answer:
        """One attempt; retrying is the caller's (``labeler.llm.retry``)."""
        ...

    def bound(self, request: Request) -> Usage:
        """The most that one call can take, in tokens and in money; asks nobody, and raises nothing."""
        ...

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Each text's token log-probabilities after the prefix; one attempt (``labeler.llm.given`` retries).

        ``among`` are alternatives that are looked up at every token; each has to be one token of the model.
        Raises RejectedError where it gives none, or where an alternative is not one token.
        """
        ...

    async def close(self) -> None:
        """Give back connections; the backend is not used afterwards."""
        ...


UNKNOWN = "unknown"
"""How a call ended of which nobody can say whether it was billed; it is recorded with the most that it can take."""

Record = Callable[[Usage, str], None]
"""Is told of every call that was billed, or that may have been: what it took, and how it ended."""

Recorder = Callable[[str, str], Record]
"""Gives the record for a backend's name and a prompt's source."""
