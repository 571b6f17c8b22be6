"""Simulation by a chat model that quotes only the words it expects to be active: activations are sparse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from labeler.errors import InputError
from labeler.evidence.store.store import Material
from labeler.features import FloatArray
from labeler.fence import one_line
from labeler.llm.calls import ask_about, together
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Backend, Recorder, Request
from labeler.prompts import Load, Prompt, load_prompt
from labeler.simulators.quotes import Guesses, Mapped, read

CONTEXTS_A_CALL = 40
ROUNDS = 3
"""How many rounds may gain nothing, of asking again about contexts left out or quoted wrongly, before it has failed."""


class SparseSimulator:
    """Asks about several contexts a call and maps the quoted words back to tokens by their place in the text.

    It counts ``contexts``, ``quotes``, quotes ``repaired`` and contexts ``asked again``.
    """

    name = "sparse"
    free = False

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        """Raises InputError where the backend cannot answer in a given form."""
        if not backend.capabilities.schema:
            raise InputError(
                f"simulator 'sparse' needs answers in a given form, which '{backend.name}' cannot give; "
                f"use likelihood={backend.name}, embedding or lexical"
            )
        self.source = backend.name
        self.counts: Counter[str] = Counter()
        self._backend = backend
        self._prompt = prompts("sparse")
        self.prompt: str | None = self._prompt.source
        self._record = recorder(backend.name, self._prompt.source)

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol. Raises MalformedError where some context stays without a usable answer."""
        tokens = material.tokens()
        found = await together(self._one(text, tokens, material.length) for text in texts)
        return np.stack(found) if found else np.zeros((0, len(material), material.length), dtype=np.float32)

    async def _one(self, explanation: str, tokens: list[tuple[str, ...]], length: int) -> FloatArray:
        prediction = np.zeros((len(tokens), length), dtype=np.float32)
        left = list(range(len(tokens)))
        self.counts["contexts"] += len(tokens)
        # Rounds that gain something do not count against it: a retry goes through kept answers first, and then further.
        round_number = fruitless = 0
        while left:
            if fruitless == ROUNDS:
                raise MalformedError(
                    f"{len(left)} of {len(tokens)} contexts stayed without a usable answer of {self.source}"
                )
            if round_number:
                self.counts["asked again"] += len(left)
            calls = [left[i : i + CONTEXTS_A_CALL] for i in range(0, len(left), CONTEXTS_A_CALL)]
            answers = await together(
                self._ask(explanation, [tokens[row] for row in call], length, round_number) for call in calls
            )
            found = {
                call[at]: mapped for call, usable in zip(calls, answers, strict=True) for at, mapped in usable.items()
            }
            for row, mapped in found.items():
                prediction[row] = mapped.values
                self.counts.update({"quotes": mapped.n_quotes, "repaired": mapped.n_repaired})
            left = [row for row in left if row not in found]
            fruitless += not found
            round_number += 1
        return prediction

    async def _ask(
        self, explanation: str, contexts: Sequence[Sequence[str]], length: int, round_number: int
    ) -> dict[int, Mapped]:
        found: dict[int, Mapped] = {}
        begin = 0
        for part, answer in await ask_about(
            self._backend,
            contexts,
            lambda part: question(self._prompt, explanation, part, round_number),
            record=self._record,
        ):
            assert isinstance(answer.parsed, Guesses)
            usable = read(answer.parsed, part, length)
            if not usable:
                await self._record.useless(answer.key)
            found.update((begin + at, mapped) for at, mapped in usable.items())
            begin += len(part)
        return found


def question(prompt: Prompt, explanation: str, contexts: Sequence[Sequence[str]], draw: int = 0) -> Request:
    """What is asked about contexts (the tokens of each) in one call."""
    lines = [one_line("".join(tokens)).strip() for tokens in contexts]
    return Request(
        system=prompt.system(),
        prompt=prompt.render(explanation=one_line(explanation), contexts=lines),
        schema=Guesses,
        max_tokens=300 + 40 * len(contexts),
        draw=draw,
    )
