"""An account that keeps nothing: for asking outside any run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from labeler.llm.protocol import Reply, Turn, Usage

Told = Callable[[Usage, str], None]
"""Is told of every call that was billed, or that may have been: what it took, and how it ended."""


class Unkept:
    """Every question is bought, nobody's limits are minded, and ``told`` hears what was billed.

    With ``deferred`` nothing is asked at all: what would be is in the PendingError.
    """

    def __init__(self, told: Told | None = None, *, prompt: str = "", deferred: bool = False) -> None:
        self.prompt = prompt
        self.deferred = deferred
        self._told = told

    async def find(self, key: str) -> Reply | None:
        """None: nothing is kept."""
        return None

    def turn(self, bound: Usage) -> AbstractAsyncContextManager[Turn]:
        """At once."""
        return at_once(bound)

    async def reserve(self, key: str, bound: Usage) -> str:
        """Nothing is put down."""
        return ""

    async def settle(self, call: str, outcome: str, usage: Usage | None, reply: Reply | None = None) -> None:
        """Tells what was billed."""
        if self._told is not None and usage is not None:
            self._told(usage, outcome)

    async def useless(self, key: str) -> None:
        """There is nothing to mark."""


@asynccontextmanager
async def at_once(bound: Usage) -> AsyncIterator[Turn]:
    """The turn of a call that waits for nobody."""
    yield _Deaf()


class _Deaf:
    def heard(self, found: Reply | Exception) -> None:
        """Nothing is learned."""
