"""An account in memory: keeps answers and calls as a catalogue would."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from labeler.llm.errors import SpentError
from labeler.llm.protocol import OPEN, Reply, Usage


@dataclasses.dataclass
class Call:
    """A call as it stands."""

    key: str
    outcome: str
    usage: Usage


@dataclasses.dataclass
class Kept:
    """Everything that an account is told, and a budget of so many calls."""

    deferred: bool = False
    prompt: str = "p@1"
    budget: int = 1_000
    replies: dict[str, Reply] = dataclasses.field(default_factory=dict)
    marked: list[str] = dataclasses.field(default_factory=list)
    """Keys of what was found useless."""
    calls: dict[str, Call] = dataclasses.field(default_factory=dict)
    """What stands: unbilled calls are gone."""
    heard: list[object] = dataclasses.field(default_factory=list)
    turns: int = 0
    """How many have their turn now."""

    async def find(self, key: str) -> Reply | None:
        return self.replies.get(key)

    @asynccontextmanager
    async def turn(self, bound: Usage) -> AsyncIterator[Kept.Ear]:
        self.turns += 1
        try:
            yield Kept.Ear(self)
        finally:
            self.turns -= 1

    async def reserve(self, key: str, bound: Usage) -> str:
        if len(self.calls) >= self.budget:
            raise SpentError
        name = f"call {len(self.calls)} of {key} at {len(self.heard)}"
        self.calls[name] = Call(key, OPEN, bound)
        return name

    async def settle(self, call: str, outcome: str, usage: Usage | None, reply: Reply | None = None) -> None:
        if usage is None:
            del self.calls[call]
            return
        self.calls[call].outcome, self.calls[call].usage = outcome, usage
        if reply is not None:
            self.replies[self.calls[call].key] = reply

    async def useless(self, key: str) -> None:
        self.marked.append(key)

    @property
    def recorded(self) -> list[tuple[Usage, str]]:
        """What stands, in order: what was taken, and how it ended."""
        return [(call.usage, call.outcome) for call in self.calls.values()]

    @dataclasses.dataclass
    class Ear:
        account: Kept

        def heard(self, found: object) -> None:
            self.account.heard.append(found)


def kept(*_: object) -> Kept:
    """A recorder whose accounts nobody looks at."""
    return Kept()
