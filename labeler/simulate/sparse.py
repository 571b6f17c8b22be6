"""Simulation by a chat model that quotes only the words it expects to be active: activations are sparse."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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
    """Asks about several contexts a call and maps the quoted words back to tokens by their place in the text.

    It counts ``contexts``, ``quotes``, quotes ``repaired`` and contexts ``asked again``.
    """

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
        self.counts: Counter[str] = Counter()
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
        self.counts["contexts"] += len(tokens)
        for round_number in range(ROUNDS):
            if round_number:
                self.counts["asked again"] += len(open_rows)
            groups = [open_rows[i : i + CONTEXTS_A_CALL] for i in range(0, len(open_rows), CONTEXTS_A_CALL)]
            answers = await together(self._ask(explanation, group, tokens, round_number) for group in groups)
            answered: set[int] = set()
            for group, guesses in zip(groups, answers, strict=True):
                for row, mapped in usable(group, guesses, tokens, length).items():
                    prediction[row] = mapped.values
                    self.counts.update({"quotes": mapped.n_quotes, "repaired": mapped.n_repaired})
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


@dataclass(frozen=True, eq=False)
class Mapped:
    """One context's quotes on its tokens."""

    values: FloatArray
    """[length] strengths."""
    n_quotes: int
    n_repaired: int


def usable(group: list[int], guesses: Guesses, tokens: list[tuple[str, ...]], length: int) -> dict[int, Mapped]:
    """The contexts of a call that were answered well, by row: named exactly once, each quote found in the text."""
    named = [guess.id for guess in guesses.contexts]
    found = {}
    for guess in guesses.contexts:
        if 1 <= guess.id <= len(group) and named.count(guess.id) == 1:
            row = group[guess.id - 1]
            mapped = on_tokens(guess.active, tokens[row], length)
            if mapped is not None:
                found[row] = mapped
    return found


def on_tokens(quotes: Sequence[Quote], tokens: Sequence[str], length: int) -> Mapped | None:
    """Quotes mapped to the tokens they overlap, with their strengths; None where one is not in the text.

    What is unambiguous is repaired: a quote in another case, an occurrence that is not there of a word that stands there
    once, the strength 0, which is silence. Which of several places is meant, or how much 11 of 10 is, only the model knows.
    """
    text = plain("".join(tokens))  # what the model saw, as long as what there is
    ends = np.cumsum([len(token) for token in tokens])
    starts = ends - [len(token) for token in tokens]
    values = np.zeros(length, dtype=np.float32)
    n_repaired = 0
    for quote in quotes:
        place = locate(quote, text)
        if place is None or not 0 <= quote.strength <= 10:
            return None
        n_repaired += place.repaired or quote.strength == 0
        hit = (starts < place.end) & (place.begin < ends)
        values[: len(tokens)][hit] = np.maximum(values[: len(tokens)][hit], quote.strength)
    return Mapped(values, len(quotes), n_repaired)


@dataclass(frozen=True)
class Place:
    """Where a quote stands in a text, in characters."""

    begin: int
    end: int
    repaired: bool
    """Whether the quote does not say so to the letter."""


def locate(quote: Quote, text: str) -> Place | None:
    """Where a quote stands in a text, as a word or else as a part of one; None where it does not, or may in two places."""
    wanted = quote.text.strip()
    if not wanted:
        return None
    ways = [
        [hit.span() for hit in re.finditer(pattern, text, flags)]
        for pattern, flags in (
            (rf"(?<!\w){re.escape(wanted)}(?!\w)", re.NOFLAG),
            (re.escape(wanted), re.NOFLAG),
            (re.escape(wanted), re.IGNORECASE),
        )
    ]
    strictest = next((hits for hits in ways if hits), [])
    if 1 <= quote.occurrence <= len(strictest):
        return Place(*strictest[quote.occurrence - 1], repaired=strictest is ways[-1])
    # A word that stands there once has no second place, unless it was counted among parts of words or in another case.
    meant = {hits[quote.occurrence - 1] for hits in ways if 1 <= quote.occurrence <= len(hits)}
    meant |= set(strictest) if len(strictest) == 1 else set()
    return Place(*meant.pop(), repaired=True) if len(meant) == 1 else None
