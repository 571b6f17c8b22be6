"""Asking a language model: what a request needs, what a backend can, what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from labeler.errors import LabelerError

if TYPE_CHECKING:
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
    """The most that the answer itself may take; a backend leaves more room for a model that thinks (see ``bound``)."""
    temperature: float | None = None
    """None leaves it to the provider; backends whose models reject it leave it out."""
    draw: int = 0
    """Which of several answers to the same question this is."""
    room: int | None = None
    """The most that answer and thinking may take together, once that is settled; None leaves it to the backend. It is
    no part of the question: what is learned of a model changes no key."""
    least: int | None = None
    """The least room that is worth asking with; None stands for ``max_tokens``. No part of the question either."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one call took; ``usd`` is None where the price is unknown, 0 where nobody is paid."""

    input_tokens: int = 0
    cached_tokens: int = 0
    """Those of the input tokens that the provider read from its cache."""
    output_tokens: int = 0
    usd: float | None = 0.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """One limit of a provider, of so many a minute."""

    limit: float
    """How many a minute."""
    remaining: float | None = None
    """How many are left now, where the provider said so."""
    reset_seconds: float | None = None
    """In how many seconds all of them are there again."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a provider allows a minute; None where it does not say, or does not count so."""

    requests: Window | None = None
    input_tokens: Window | None = None
    output_tokens: Window | None = None
    tokens: Window | None = None
    """Input and output together, as OpenAI counts."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a provider sent back and took money for, before anybody judged whether it is of use."""

    text: str = ""
    stop: Literal["end", "truncated", "refused", "rejected"] = "end"
    """How it ended: ``truncated`` at ``max_tokens``, ``refused`` by the model, or ``rejected``, for good and unbilled,
    by a provider that answers later (in a batch or a file)."""
    said: str = ""
    """What it said to a refusal or a rejection."""
    usage: Usage = field(default_factory=Usage)
    limits: Limits | None = None
    """What the provider told of its limits on the way."""
    thought: int = field(default=0, compare=False)
    """How many of the output tokens were thinking, as far as can be told; it is not kept."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A reply that is of use."""

    text: str
    parsed: BaseModel | None = None
    """An instance of the request's schema, where it had one."""
    usage: Usage = field(default_factory=Usage)
    key: str = ""
    """Under which its reply is kept."""


@dataclass(frozen=True)
class Address:
    """Which model, and where: what an answer is remembered by beside the question."""

    provider: str
    model: str
    base_url: str | None = None
    """None for a model in this process."""
    extra: str = ""
    """The fields that the user adds to the bodies of its calls, as JSON: with others it is another question."""


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
    address: Address
    capabilities: Capabilities

    async def ask(self, request: Request) -> Reply:
        """One attempt; retrying, and reading the reply, are the caller's (``labeler.llm.calls``)."""
        ...

    def bound(self, request: Request) -> Usage:
        """The most that one call can take, in tokens and in money; asks nobody, and raises nothing."""
        ...

    def fits(self, request: Request) -> bool:
        """Whether a request is no longer than the model takes, by what is known of it so far; asks nobody."""
        ...

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON that ``ask`` would send: for batches, for files of requests, and to be looked at."""
        ...

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Each text's token log-probabilities after the prefix; one attempt (``labeler.llm.prompt_logprobs`` retries).

        ``among`` are alternatives that are looked up at every token; each has to be one token of the model.
        Raises RejectedError where it gives none, or where an alternative is not one token.
        """
        ...

    async def close(self) -> None:
        """Give back connections; the backend is not used afterwards."""
        ...


@dataclass(frozen=True, kw_only=True)
class BatchLook:
    """How a batch stands at its provider."""

    ended: bool
    """Whether all that will come of it is there: it may have expired or failed with some of it undone."""
    n_requests: int
    n_done: int = 0
    reason: str | None = None
    """Why it failed as a whole, where it did."""


@dataclass(frozen=True, kw_only=True)
class BatchLine:
    """What came of one request of a batch."""

    custom_id: str
    reply: Reply | None = None
    """At the price of batches; None where there is none."""
    reason: str | None = None
    """Why there is no reply."""
    again: bool = False
    """Whether sending it again may help: it expired, or the server failed."""
    maybe_billed: bool = False
    """Whether it may have been answered and paid though the answer cannot be read; nothing was billed otherwise."""


class BatchBackend(Backend, Protocol):
    """A backend whose provider also answers later, at half the price."""

    batch_discount: float
    """What a batch costs of the ordinary price: .5."""

    async def submit(self, batch_id: str, bodies: Mapping[str, dict[str, Any]]) -> str:
        """Send one batch, its requests by custom id (64 of ``[a-zA-Z0-9_-]`` at most); returns the provider's id for it.

        ``batch_id`` is our own; every custom id begins with it. Raises RejectedError where the provider does not take it.
        """
        ...

    async def find(self, batch_id: str, n_requests: int, since: float, known: Sequence[str]) -> str | None:
        """The provider's id of a batch that was sent under this id of ours, where it arrived: after a kill nobody knows.

        ``since`` is when it may have been sent (seconds since the epoch), ``known`` are provider's ids of other batches.
        None where it certainly did not arrive. Raises BusyError where that cannot be told yet.
        """
        ...

    async def look(self, provider_id: str) -> BatchLook:
        """How it stands."""
        ...

    def results(self, provider_id: str) -> AsyncIterator[BatchLine]:
        """What came of each request of an ended batch, in any order."""
        ...

    async def cancel(self, provider_id: str) -> None:
        """Ask the provider to stop it; what is answered already is still billed and can be fetched when it has ended."""
        ...


OPEN = "open"
"""The outcome of a call that is being made; it stands with the most that it can take. If whoever made it was killed, it
stays so, and nobody can say whether it was billed."""

UNKNOWN = "unknown"
"""How a call ended of which nobody can say whether it was billed; it stands with the most that it can take."""


class Turn(Protocol):
    """A call's turn in the traffic to one model."""

    def heard(self, found: Reply | Exception) -> None:
        """What came of the call: limits are learned from it, and how many calls may be made at once."""
        ...


class Account(Protocol):
    """What is kept of the calls of one prompt put to one model for one piece of work: answers and money."""

    prompt: str
    """``name@version`` of the prompt."""
    deferred: bool
    """Whether nothing is asked now: what nobody answered yet is put down, and the work is taken up again later."""

    async def find(self, key: str) -> Reply | None:
        """The reply to a question (``labeler.llm.cache_keys``) that was paid for before."""
        ...

    def turn(self, bound: Usage) -> AbstractAsyncContextManager[Turn]:
        """Waits until the provider's limits have room for one more call, and holds that room meanwhile."""
        ...

    async def reserve(self, key: str, bound: Usage) -> str:
        """Puts down a call before it is made, as open and with the most that it can take; returns its id.

        Raises SpentError where the budget has no room for it.
        """
        ...

    async def settle(self, call: str, outcome: str, usage: Usage | None, reply: Reply | None = None) -> None:
        """Puts down how a call ended: what it took, or None where nothing was billed; a reply is kept under its key.

        An unknown outcome goes with the most that it can have taken.
        """
        ...

    async def useless(self, key: str) -> None:
        """Marks a kept reply as of no use, so that a retry asks anew."""
        ...


Recorder = Callable[[str, str], Account]
"""Gives the account for a backend's name and a prompt's source."""


class PendingError(LabelerError):
    """Work that cannot go on before some questions are answered; done again then, it finds those answers kept."""

    def __init__(self, requests: Sequence[PendingRequest]) -> None:
        super().__init__(f"{len(requests)} answers are to come")
        self.requests = tuple(requests)


@dataclass(frozen=True, kw_only=True)
class PendingRequest:
    """A question that is put later, in a batch or by somebody else."""

    key: str
    backend: str
    prompt: str
    """``name@version``."""
    body: Mapping[str, Any] = field(repr=False)
    """What is to be sent."""
    bound: Usage
    """The most that answering can take, at the ordinary price."""
