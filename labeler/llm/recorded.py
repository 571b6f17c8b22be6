"""A model whose answers were recorded: it replies to exactly the questions that were put to it then.

The answers are files in the form of OpenAI's batches, as ``labeler requests import`` takes them; a line's custom id is the
key of its question (``labeler.llm.keys``). A question that differs in one letter has another key and no answer.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from labeler.data import shipped
from labeler.errors import InputError
from labeler.llm.chat import chat_body
from labeler.llm.endpoints import address
from labeler.llm.errors import RejectedError, UnrecordedError
from labeler.llm.keys import key
from labeler.llm.names import LLMName
from labeler.llm.offline import read_line
from labeler.llm.protocol import Capabilities, Reply, Request, TextLogprobs, Usage
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
