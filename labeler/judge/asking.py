"""Putting many questions to a chat model, several a call, until each has a usable answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from labeler.errors import InputError
from labeler.fence import plain
from labeler.judge.protocol import Answers
from labeler.llm.calls import ask_about, together
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Backend, Recorder, Request
from labeler.prompts import Load, load_prompt

ROUNDS = 3
"""How many rounds may gain nothing, of putting again what was left out or answered twice or out of range, before the
judge has failed."""

Read = Callable[[BaseModel], Sequence[tuple[int, int | None]]]
"""What an answer says: (number of the question in its call, answer), None for an answer that is none."""


class Asker:
    """A model, a prompt, and the form in which it answers."""

    def __init__(
        self,
        judge: str,
        backend: Backend,
        recorder: Recorder,
        schema: type[BaseModel],
        read: Read,
        a_call: int,
        prompts: Load = load_prompt,
    ) -> None:
        """``a_call`` questions are put together. Raises InputError where the backend cannot answer in a given form."""
        if not backend.capabilities.schema:
            raise InputError(
                f"scorer '{judge}' needs answers in a given form, which '{backend.name}' cannot give; "
                "use a chat model that answers by schema, or embedding_auc"
            )
        self.source = backend.name
        self._backend = backend
        self._template = prompts(judge)
        self.prompt = self._template.source
        self._record = recorder(backend.name, self._template.source)
        self._schema = schema
        self._read = read
        self._a_call = a_call

    async def ask(self, explanation: str, shown: Sequence[object]) -> Answers:
        """Answers to all questions; ``shown`` [n] is what the template shows of each.

        Raises MalformedError where a question stays without a usable answer: it never counts as a no.
        """
        said: NDArray[np.float64] = np.zeros(len(shown))
        left = list(range(len(shown)))
        again: set[int] = set()
        # Rounds that gain something do not count against it: a retry goes through kept answers first, and then further.
        round_number = fruitless = 0
        while left:
            if fruitless == ROUNDS:
                raise MalformedError(
                    f"{len(left)} of {len(shown)} questions stayed without a usable answer of {self.source}"
                )
            if round_number:
                again.update(left)
            calls = [left[i : i + self._a_call] for i in range(0, len(left), self._a_call)]
            answers = await together(self._one(explanation, call, shown, round_number) for call in calls)
            found = {call[at - 1]: value for call, usable in zip(calls, answers, strict=True) for at, value in usable}
            for at, value in found.items():
                said[at] = value
            left = [at for at in left if at not in found]
            fruitless += not found
            round_number += 1
        return Answers(said=said, asked_again=len(again))

    async def _one(
        self, explanation: str, call: list[int], shown: Sequence[object], round_number: int
    ) -> list[tuple[int, int]]:
        def question(part: Sequence[int]) -> Request:
            return Request(
                system=self._template.system(),
                prompt=self._template.render(explanation=plain(explanation), questions=[shown[at] for at in part]),
                schema=self._schema,
                max_tokens=100 + 20 * len(part),
                draw=round_number,
            )

        found: list[tuple[int, int]] = []
        begin = 0
        for part, answer in await ask_about(self._backend, call, question, record=self._record):
            assert answer.parsed is not None
            told = usable(self._read(answer.parsed), len(part))
            if not told:
                await self._record.useless(answer.key)
            found += [(begin + number, value) for number, value in told]
            begin += len(part)
        return found


def usable(answers: Sequence[tuple[int, int | None]], n: int) -> list[tuple[int, int]]:
    """The answers to questions 1 … n that are there exactly once and are answers."""
    numbers = [number for number, _ in answers]
    return [
        (number, answer)
        for number, answer in answers
        if answer is not None and 1 <= number <= n and numbers.count(number) == 1
    ]
