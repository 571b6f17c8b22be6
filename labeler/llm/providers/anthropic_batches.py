"""Anthropic's message batches: requests that are answered within a day."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from labeler.llm.endpoints import Endpoint, address, find_endpoint
from labeler.llm.error_bodies import count, parsed
from labeler.llm.errors import BusyError, MalformedError, RejectedError
from labeler.llm.names import LLMName
from labeler.llm.prices import BATCH_SHARE, load_facts
from labeler.llm.protocol import BatchBackend, BatchLine, BatchLook, Usage
from labeler.llm.providers.anthropic import AnthropicBackend, read_reply, reduced
from labeler.llm.providers.batch_lookup import id_of, listed, not_arrived
from labeler.llm.providers.http import SUBMIT_SECONDS
from labeler.llm.quirks import ServerMemory
from labeler.llm.refusals import RejectionError, said_in
from labeler.settings import Settings

PATH = "/v1/messages/batches"

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_FINAL = {"invalid_request_error", "not_found_error", "permission_error", "request_too_large"}
"""Errors of a request that it would end with again."""
_DROPPABLE = ("temperature", "output_config")
"""Parts that a body which was made before can do without."""


def open_anthropic(name: LLMName, settings: Settings) -> BatchBackend:
    """Raises InputError where the key is missing, or a setting is malformed."""
    endpoint = find_endpoint(
        name,
        key=settings.anthropic_api_key,
        variable=settings.named("anthropic_api_key"),
        listed=settings.api_keys,
        listed_variable=settings.named("api_keys"),
    )
    facts, memory = load_facts(settings), ServerMemory(settings.home, address(name, endpoint.base_url))
    entry = facts.of(name, endpoint.base_url)
    return AnthropicBatchBackend(name, endpoint, prices=facts.prices, memory=memory, entry=entry)


class AnthropicBatchBackend(AnthropicBackend):
    """Answers one by one, or in batches at half the price."""

    batch_discount = BATCH_SHARE

    def __init__(
        self, name: LLMName, endpoint: Endpoint, *, clock: Callable[[], float] = time.time, **options: Any
    ) -> None:
        """``options`` are those of ``AnthropicBackend``."""
        super().__init__(name, endpoint, **options)
        self._clock = clock

    async def submit(self, batch_id: str, bodies: Mapping[str, dict[str, Any]]) -> str:
        """See the protocol."""
        dropped = self._dialect.without.intersection(_DROPPABLE)
        requests = [{"custom_id": custom_id, "params": reduced(body, dropped)} for custom_id, body in bodies.items()]
        try:
            return id_of(await self._wire.send(PATH, {"requests": requests}, SUBMIT_SECONDS), self._failures)
        except RejectionError as rejection:
            if rejection.status not in (404, 405):
                raise
            line = self._failures.line("this server has no batches; ask it directly")
            raise RejectedError(line) from None

    async def find(self, batch_id: str, n_requests: int, since: float, known: Sequence[str]) -> str | None:
        """See the protocol.

        Batches have no name of ours: an ended one is told by the custom ids in its results. One under way with as many
        requests, which nobody knows of, may be it or not.
        """
        undecided = False
        async for batch in listed(self._wire.get, PATH, "after_id", since, self._failures):
            provider_id = id_of(batch, self._failures)
            if provider_id in known or sum(_counts(batch).values()) != n_requests:
                continue
            if not _has_ended(batch):
                undecided = True
            elif await self._is_ours(provider_id, batch_id):
                return provider_id
        if undecided:
            raise BusyError(
                self._failures.line("it cannot be told yet whether a batch arrived: one like it is under way")
            )
        not_arrived(since, self._clock(), self._failures)
        return None

    async def look(self, provider_id: str) -> BatchLook:
        """See the protocol."""
        batch = await self._wire.get(f"{PATH}/{provider_id}")
        if not isinstance(batch, Mapping) or "processing_status" not in batch:
            raise MalformedError(self._failures.line("this is no batch"))
        counts = _counts(batch)
        total = sum(counts.values())
        return BatchLook(ended=_has_ended(batch), n_requests=total, n_done=total - counts["processing"])

    async def results(self, provider_id: str) -> AsyncIterator[BatchLine]:
        """See the protocol."""
        async for custom_id, result in self._results(provider_id):
            yield self._line(custom_id, result)

    async def cancel(self, provider_id: str) -> None:
        """See the protocol."""
        await self._wire.post(f"{PATH}/{provider_id}/cancel", {})

    async def _results(self, provider_id: str) -> AsyncGenerator[tuple[str, Mapping[str, Any]]]:
        # Not from the address that the batch names: the key belongs to this one.
        async with aclosing(self._wire.lines(f"{PATH}/{provider_id}/results")) as lines:
            async for line in lines:
                try:
                    found = parsed(line)
                except ValueError:  # its request is not named then, and is sent again
                    continue
                if isinstance(found, Mapping) and isinstance(found.get("custom_id"), str):
                    result = found.get("result")
                    yield found["custom_id"], result if isinstance(result, Mapping) else {}

    async def _is_ours(self, provider_id: str, batch_id: str) -> bool:
        try:
            async with aclosing(self._results(provider_id)) as results:
                async for custom_id, _ in results:
                    return custom_id.startswith(batch_id)
        except RejectedError:  # its results were thrown away
            pass
        return False

    def _line(self, custom_id: str, result: Mapping[str, Any]) -> BatchLine:
        kind = result.get("type")
        if kind == "succeeded":
            try:
                reply = self._failures.without_key(read_reply(result.get("message"), self._half))
            except MalformedError as error:
                line = self._failures.line(str(error))
                return BatchLine(custom_id=custom_id, reason=line, again=True, maybe_billed=True)
            self._sizes.heard(reply)
            return BatchLine(custom_id=custom_id, reply=reply)
        if kind != "errored":
            return BatchLine(custom_id=custom_id, reason=self._failures.line("no answer", str(kind)), again=True)
        outer = result.get("error")
        inner = outer.get("error") if isinstance(outer, Mapping) else None
        code = inner.get("type") if isinstance(inner, Mapping) else None
        said = said_in(inner)
        teaches = self._dialect.told(said, _DROPPABLE)
        again = teaches or code not in _FINAL
        self._sizes.told(said, 400)
        return BatchLine(custom_id=custom_id, reason=self._failures.line("no answer", f"{code} {said}"), again=again)

    def _half(self, usage: Usage, written: int) -> float | None:
        usd = self.price(usage, written)
        return None if usd is None else BATCH_SHARE * usd


def _has_ended(batch: Mapping[str, Any]) -> bool:
    return batch.get("processing_status") == "ended"


def _counts(batch: Mapping[str, Any]) -> dict[str, int]:
    counts = batch.get("request_counts")
    return {name: (count(counts.get(name)) or 0) if isinstance(counts, Mapping) else 0 for name in _COUNTS}
