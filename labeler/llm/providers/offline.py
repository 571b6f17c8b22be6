"""Models that are asked by others: requests go to files and answers come back in files, or were recorded before.

The answers are files in the form of OpenAI's batches, as ``labeler requests import`` takes them; a line's custom id is the
key of its question (``labeler.llm.cache_keys``). A question that differs in one letter has another key and no answer.

Nothing here reaches a network, and neither a key nor an SDK is needed.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from labeler.data import shipped
from labeler.errors import InputError
from labeler.llm.answers import instruction
from labeler.llm.cache_keys import key
from labeler.llm.context_windows import Sizes
from labeler.llm.cost_bounds import most_input, n_bytes
from labeler.llm.endpoints import address
from labeler.llm.errors import MalformedError, RejectedError, UnrecordedError
from labeler.llm.names import LLMName
from labeler.llm.prices import Entry, canonical, load_facts
from labeler.llm.protocol import Capabilities, Reply, Request, TextLogprobs, Usage
from labeler.llm.providers.chat_completions import THINKING_TOKENS, chat_body, read_reply, read_result
from labeler.llm.quirks import ServerMemory
from labeler.llm.refusals import Failures, said_in
from labeler.settings import Settings

NOT_RECORDED = "no answer to this very question was recorded"


def open_recorded(name: LLMName, settings: Settings) -> RecordedBackend:
    """The backend of ``recorded:MODEL``; InputError where nothing of that model was recorded."""
    return RecordedBackend(name)


class RecordedBackend:
    """One model's recorded answers. Asks nobody and costs nothing; replies tell the tokens that they took then."""

    capabilities = Capabilities(schema=True)

    def __init__(self, name: LLMName) -> None:
        self.name = str(name)
        self.address = address(name)
        self._model = name.model
        self._replies = recorded(name.model)

    async def ask(self, request: Request) -> Reply:
        """Raises UnrecordedError for a question that was not recorded."""
        reply = self._replies.get(key(self.address, request))
        if reply is None:
            raise UnrecordedError(f"{self.name}: {NOT_RECORDED}")
        return reply

    def bound(self, request: Request) -> Usage:
        """Nothing: nobody is asked."""
        return Usage()

    def fits(self, request: Request) -> bool:
        """True: nothing is sent."""
        return True

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of a chat completion."""
        return chat_body(self._model, request, own_host=False)

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Raises RejectedError: none were recorded."""
        raise RejectedError(f"{self.name}: no log-probabilities were recorded; use sparse")

    async def close(self) -> None:
        """There is nothing to give back."""


@functools.lru_cache(maxsize=4)
def recorded(model: str) -> Mapping[str, Reply]:
    """A model's replies by the keys of their questions; InputError where none were recorded, or a line cannot be read."""
    if not model.replace("-", "").isalnum():
        raise InputError(f"no answers of {model[:80]!a} were recorded")
    folder = shipped("answers")
    path = folder / f"{model}.jsonl"
    if not path.exists():
        there = ", ".join(sorted(one.stem for one in folder.glob("*.jsonl"))) or "nobody's"
        raise InputError(f"no answers of {model[:80]!a} were recorded; there are those of: {there}")
    replies = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            custom_id, reply, reason = read_line(line)
        except ValueError as error:
            raise InputError(f"{path.name}:{number}: {error}") from None
        if reply is None:
            raise InputError(f"{path.name}:{number}: {reason}")
        replies[custom_id] = dataclasses.replace(reply, usage=dataclasses.replace(reply.usage, usd=0.0))
    return replies


_EFFORT = frozenset({"reasoning_effort"})
"""Left out: nobody learns here which models take it."""

_LONGEST = 200
"""Characters of what is said of a request without an answer."""


def open_offline(name: str, settings: Settings | None = None) -> OfflineBackend:
    """The backend of a hosted model's name, with what the home remembers of it; InputError for a malformed one."""
    parsed = LLMName.parse(name)
    if settings is None:
        return OfflineBackend(parsed)
    return OfflineBackend(parsed, ServerMemory(settings.home, address(parsed)), load_facts(settings).of(parsed))


class OfflineBackend:
    """One model; its requests are in the form of OpenAI's chat completions, which batch runners read."""

    capabilities = Capabilities(schema=True)

    def __init__(self, name: LLMName, memory: ServerMemory | None = None, entry: Entry | None = None) -> None:
        self.name = str(name)
        said = entry or Entry()
        self.address = address(name, extra=canonical(said.extra_body))
        self._extra = said.extra_body
        self._model = name.model
        self._own_host = name.provider == "openai" and name.base_url is None
        # The newest name of the limit is for the providers themselves; servers know the old one.
        self._without = _EFFORT if name.base_url is not None else _EFFORT | {"max_tokens"}
        self._sizes = Sizes(thinking=THINKING_TOKENS if self._own_host else 0, context=said.context, memory=memory)
        self._failures = Failures(self.name, None)

    async def ask(self, request: Request) -> Reply:
        """Raises RejectedError: nobody is asked here."""
        raise RejectedError(self._failures.line("is not asked from here; its answers come from files"))

    def bound(self, request: Request) -> Usage:
        """The most that one answer can take; its price is not known, for nobody here pays it."""
        forms = _forms(request)
        room = self._sizes.room(request, n_bytes(request, *forms))
        most = most_input(request, *forms) + len(self.address.extra)
        return Usage(input_tokens=most, output_tokens=room, usd=None)

    def fits(self, request: Request) -> bool:
        """See the protocol."""
        return self._sizes.fits(request, n_bytes(request, *_forms(request)))

    def heard(self, reply: Reply) -> None:
        """Learns from a reply that came in a file how much the model thinks."""
        self._sizes.heard(reply)

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of a chat completion."""
        sized = dataclasses.replace(request, room=self._sizes.room(request, n_bytes(request, *_forms(request))))
        return chat_body(self._model, sized, own_host=self._own_host, without=self._without, extra=self._extra)

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Raises RejectedError: files give none."""
        raise RejectedError(self._failures.line("files of answers give no log-probabilities; use sparse"))

    async def close(self) -> None:
        """There is nothing to give back."""


def _forms(request: Request) -> list[str]:
    return [] if request.schema is None else [instruction(request.schema)]


def read_line(line: str) -> tuple[str, Reply | None, str | None]:
    """An answer out of a file, in the form of OpenAI's batches: its request's custom id, and the reply or why there is none.

    Raises ValueError, in one line, for what is no such line.
    """
    found = read_result(line)
    if found.status == 200:
        try:
            return found.custom_id, read_reply(found.body, lambda usage: None), None
        except MalformedError as error:
            return found.custom_id, None, str(error)
    what = f"HTTP {found.status}" if found.status is not None else "no answer"
    said = f"{found.code} {said_in(found.body)}".strip() or "no reason was given"
    return found.custom_id, None, f"{what}: {Failures('', None).clean(said)[:_LONGEST]}"
