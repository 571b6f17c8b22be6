"""A language model whose log-probabilities are asked for once: `likelihood` and `sum` ask the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labeler.llm.protocol import Backend, Reply, Request, TextLogprobs, Usage


class Remembering:
    """A backend that answers from memory where it has given the same log-probabilities before."""

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self.address = backend.address
        self.capabilities = backend.capabilities
        self._backend = backend
        self._known: dict[tuple[str, tuple[str, ...]], list[TextLogprobs]] = {}

    async def ask(self, request: Request) -> Reply:
        """See the protocol."""
        return await self._backend.ask(request)

    def body(self, request: Request) -> dict[str, Any]:
        """See the protocol."""
        return self._backend.body(request)

    def bound(self, request: Request) -> Usage:
        """See the protocol."""
        return self._backend.bound(request)

    def fits(self, request: Request) -> bool:
        """See the protocol."""
        return self._backend.fits(request)

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """See the protocol; whatever looks up alternatives is asked afresh."""
        if among:
            return await self._backend.logprobs(prefix, texts, among)
        key = prefix, tuple(texts)
        if key not in self._known:
            self._known[key] = await self._backend.logprobs(prefix, texts)
        return self._known[key]

    async def close(self) -> None:
        """See the protocol."""
        await self._backend.close()
