"""What is kept of the calls of one prompt for one feature of a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from labeler.catalogue.records import CallRecord, Claim, Settlement
from labeler.llm.protocol import OPEN, Reply, Turn, Usage
from labeler.runs.ledger import Ledger

TakeTurn = Callable[[Usage], AbstractAsyncContextManager[Turn]]


class RunAccount:
    """One claim's; see the protocol."""

    def __init__(
        self, ledger: Ledger, claim: Claim, backend: str, prompt: str, take_turn: TakeTurn, *, deferred: bool
    ) -> None:
        self.prompt = prompt
        self.deferred = deferred
        self._take_turn = take_turn
        self._ledger = ledger
        self._claim = claim
        self._backend = backend

    def turn(self, bound: Usage) -> AbstractAsyncContextManager[Turn]:
        """See the protocol."""
        return self._take_turn(bound)

    async def find(self, key: str) -> Reply | None:
        """See the protocol."""
        found = await self._ledger.find(key)
        return None if found is None else found.reply

    async def reserve(self, key: str, bound: Usage) -> str:
        """See the protocol."""
        call = CallRecord(
            run_id=self._claim.run_id,
            index=self._claim.index,
            stage=self._claim.stage,
            backend=self._backend,
            prompt=self.prompt,
            outcome=OPEN,
            key=key,
            input_tokens=bound.input_tokens,
            output_tokens=bound.output_tokens,
            usd=bound.usd,
        )
        await self._ledger.reserve(call)
        return call.id

    async def settle(self, call: str, outcome: str, usage: Usage | None, reply: Reply | None = None) -> None:
        """See the protocol."""
        await self._ledger.settle(Settlement(call=call, outcome=outcome, usage=usage, reply=reply))

    async def useless(self, key: str) -> None:
        """See the protocol."""
        await self._ledger.useless(key)
