"""Putting many questions to a chat model, several a call, until each has a usable answer; which contexts they are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from labeler.errors import InputError
from labeler.evidence.store.store import EvidenceStore
from labeler.features import Frame, IntArray
from labeler.fence import plain
from labeler.llm.calls import ask_about, together
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Backend, Recorder, Request
from labeler.prompts import Load, load_prompt
from labeler.scorers.protocol import Answers, Questions

PER_DOCUMENT = 3
"""Contexts of one document among the firing ones, or among the silent ones, at most: they are no independent draws."""

FEW = "the feature fires in none of the contexts at hand that it may be scored on"


def across_strength(store: EvidenceStore, frame: Frame, n: int, rng: np.random.Generator) -> IntArray:
    """At most n firing rows of a frame, one from each of n equal slices by strength: [≤ n], strongest last.

    Of the top contexts alone, a label that fits nothing else would look right.
    """
    firing = rng.permutation(np.flatnonzero(frame.firing))
    kept = few_per_document(store, frame, firing, len(firing))
    kept = kept[np.argsort(frame.truth[kept].max(axis=1, initial=0.0), kind="stable")]
    if len(kept) <= n:
        return kept
    return np.array([rng.choice(slice_) for slice_ in np.array_split(kept, n)] if n else [], dtype=np.int64)


def few_per_document(store: EvidenceStore, frame: Frame, rows: Iterable[int], n: int) -> IntArray:
    """The first n of some rows of a frame that leave no document with more than PER_DOCUMENT."""
    seen: Counter[str] = Counter()
    found: list[int] = []
    for row in rows:
        if len(found) == n:
            break
        document = store.rows.document(int(frame.contexts[row]))
        seen[document] += 1
        if seen[document] <= PER_DOCUMENT:
            found.append(int(row))
    return np.array(found, dtype=np.int64)


def mixed(
    store: EvidenceStore, frame: Frame, yes: IntArray, no: IntArray, design: str, rng: np.random.Generator
) -> Questions:
    """Questions about two kinds of rows, in random order."""
    order = rng.permutation(len(yes) + len(no))
    return Questions(
        material=store.material(frame.contexts[np.r_[yes, no][order]]),
        truth=np.r_[np.ones(len(yes), np.int64), np.zeros(len(no), np.int64)][order],
        design=design,
    )


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
