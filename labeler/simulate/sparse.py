"""Simulation by a chat model that quotes only the words it expects to be active: activations are sparse."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, Field

from labeler.errors import InputError
from labeler.evidence.store import Material
from labeler.features import FloatArray
from labeler.fence import plain
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Backend, Recorder, Request
from labeler.llm.retry import ask_until_answered
from labeler.llm.together import together
from prompts import load_prompt

CONTEXTS_A_CALL = 10
ROUNDS = 3
"""How often contexts that an answer left out, or quoted wrongly, are asked about before the simulation has failed."""


class Quote(BaseModel):
    """A word that would be active."""

    text: str
    occurrence: int = Field(description="which one of several in its context, from 1")
    strength: int = Field(description="1 to 10")


class Guess(BaseModel):
    """What would be active in one context; an empty list means that nothing is."""

    id: int
    active: list[Quote]


class Guesses(BaseModel):
    """One entry for every context that was asked about."""

    contexts: list[Guess]


class SparseSimulator:
    """Asks about several contexts a call and maps the quoted words back to tokens by their place in the text."""

    name = "sparse"
    free = False

    def __init__(self, backend: Backend, recorder: Recorder) -> None:
        """Raises InputError where the backend cannot answer in a given form."""
        if not backend.capabilities.schema:
            raise InputError(
                f"simulator 'sparse' needs answers in a given form, which '{backend.name}' cannot give; "
                f"use likelihood={backend.name}, embedding or lexical"
            )
        self.source = backend.name
        self._backend = backend
        self._prompt = load_prompt("sparse")
        self.prompt: str | None = self._prompt.source
        self._record = recorder(backend.name, self._prompt.source)

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol. Raises MalformedError where some context stays without a usable answer."""
        tokens = material.tokens()
        found = await together(self._one(text, tokens, material.length) for text in texts)
        return np.stack(found) if found else np.zeros((0, len(material), material.length), dtype=np.float32)

    async def _one(self, explanation: str, tokens: list[tuple[str, ...]], length: int) -> FloatArray:
        prediction = np.zeros((len(tokens), length), dtype=np.float32)
        open_rows = list(range(len(tokens)))
        for round_number in range(ROUNDS):
            groups = [open_rows[i : i + CONTEXTS_A_CALL] for i in range(0, len(open_rows), CONTEXTS_A_CALL)]
            answers = await together(self._ask(explanation, group, tokens, round_number) for group in groups)
            answered: set[int] = set()
            for group, guesses in zip(groups, answers, strict=True):
                for row, values in usable(group, guesses, tokens, length).items():
                    prediction[row] = values
                    answered.add(row)
            open_rows = [row for row in open_rows if row not in answered]
            if not open_rows:
                return prediction
        raise MalformedError(
            f"{len(open_rows)} of {len(tokens)} contexts stayed without a usable answer of {self.source}"
        )

    async def _ask(
        self, explanation: str, group: list[int], tokens: list[tuple[str, ...]], round_number: int
    ) -> Guesses:
        contexts = [{"id": at, "text": plain("".join(tokens[row]))} for at, row in enumerate(group, 1)]
        request = Request(
            system=self._prompt.system(),
            prompt=self._prompt.render(explanation=plain(explanation), contexts=contexts),
            schema=Guesses,
            max_tokens=200 + 100 * len(group),
            draw=round_number,
        )
        answer = await ask_until_answered(self._backend, request, record=self._record)
        assert isinstance(answer.parsed, Guesses)
        return answer.parsed


def usable(group: list[int], guesses: Guesses, tokens: list[tuple[str, ...]], length: int) -> dict[int, FloatArray]:
    """The contexts of a call that were answered well, by row: named exactly once, each quote found in the text."""
    named = [guess.id for guess in guesses.contexts]
    found = {}
    for guess in guesses.contexts:
        if 1 <= guess.id <= len(group) and named.count(guess.id) == 1:
            row = group[guess.id - 1]
            values = on_tokens(guess.active, tokens[row], length)
            if values is not None:
                found[row] = values
    return found


def on_tokens(quotes: Sequence[Quote], tokens: Sequence[str], length: int) -> FloatArray | None:
    """Quotes mapped to the tokens they overlap, with their strengths: [length]; None where one is not in the text.

    A quote in another case, or of an occurrence too high where there is only one, is unambiguous and is repaired.
    """
    text = plain("".join(tokens))  # what the model saw, as long as what there is
    ends = np.cumsum([len(token) for token in tokens])
    starts = ends - [len(token) for token in tokens]
    values = np.zeros(length, dtype=np.float32)
    for quote in quotes:
        span = locate(quote, text)
        if span is None or not 0 <= quote.strength <= 10:
            return None
        hit = (starts < span[1]) & (span[0] < ends)
        values[: len(tokens)][hit] = np.maximum(values[: len(tokens)][hit], quote.strength)
    return values


def locate(quote: Quote, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text: (begin, end) in characters; None where it does not."""
    wanted = quote.text.strip()
    if not wanted:
        return None
    finders: list[Callable[[], list[re.Match[str]]]] = [
        lambda: list(re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", text)),
        lambda: list(re.finditer(re.escape(wanted), text)),
        lambda: list(re.finditer(re.escape(wanted), text, re.IGNORECASE)),
    ]
    for find in finders:
        hits = find()
        if len(hits) == 1:
            return hits[0].span()
        if 1 <= quote.occurrence <= len(hits):
            return hits[quote.occurrence - 1].span()
    return None
