"""Judges over a toy store, asked of a backend in this process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from labeler.llm.calls import NullAccount
from labeler.llm.protocol import Address, Capabilities, Reply, Request, Usage
from labeler.scorers import Answers, Judge, Questions
from labeler.scorers.intruder import Choice, Choices
from labeler.scorers.yes_no import Verdict, Verdicts

Say = Callable[[str], bool]
"""A context, as it is shown -> yes."""


class Scripted:
    """Says of every context, or of every set, what a function says; leaves out or doubles the last of some calls."""

    name = "openai:scripted"
    address = Address("openai", "scripted", "http://127.0.0.1/v1")
    capabilities = Capabilities(schema=True)

    def __init__(self, say: Callable, *, spoils: Sequence[str] = ()) -> None:
        self.say = say
        self.spoils = list(spoils)
        """``forget``, ``double``, ``stranger``, ``nothing``, ``but one``: what is wrong with the first answers, in turn."""
        self.asked: list[Request] = []

    def bound(self, request: Request) -> Usage:
        return Usage()

    def fits(self, request: Request) -> bool:
        return True

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        sets = re.findall(r'<evidence id="(\d+)">(.*?)</evidence>', request.prompt, re.DOTALL)
        if sets:
            found = [Choice(id=int(at), odd=self.say(contexts_of(shown))) for at, shown in sets]
            self._spoil(found)
            return Reply(text=Choices(sets=found).model_dump_json())
        verdicts = [Verdict(id=at, yes=self.say(text)) for at, text in enumerate(contexts_of(request.prompt), 1)]
        self._spoil(verdicts)
        return Reply(text=Verdicts(contexts=verdicts).model_dump_json())

    def _spoil(self, entries: list) -> None:
        how = self.spoils.pop(0) if self.spoils else ""
        if how == "forget":
            entries.pop()
        elif how == "nothing":
            entries.clear()
        elif how == "but one":
            del entries[1:]
        elif how == "double":
            entries.append(entries[-1].model_copy())
        elif how == "stranger":
            entries[-1] = entries[-1].model_copy(update={"id": 99})
        elif how == "out of range":
            entries[-1] = entries[-1].model_copy(update={"odd": 6})


def contexts_of(prompt: str) -> list[str]:
    return re.findall(r'<context id="\d+">(.*?)</context>', prompt, re.DOTALL)


class Marking(NullAccount):
    """An account that hears which answers were of no use."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[str] = []

    async def useless(self, key: str) -> None:
        self.marked.append(key)


def unrecorded(*_: object) -> NullAccount:
    return NullAccount()


def answered(judge: Judge, questions: Questions, text: str = "a label") -> Answers:
    return asyncio.run(judge.answers(text, questions))


def words_of(questions: Questions) -> list[list[str]]:
    return [[token.strip() for token in tokens] for tokens in questions.material.tokens()]


def marked_words(shown: str) -> set[str]:
    """The words between marks."""
    return set(" ".join(re.findall("⟦(.*?)⟧", shown)).split())
