"""OpenAI's batches, and those of servers that have them: files of requests that are answered within a day."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from labeler.llm.endpoints import Endpoint, address, find_endpoint
from labeler.llm.error_bodies import count
from labeler.llm.errors import MalformedError, RejectedError
from labeler.llm.names import LLMName
from labeler.llm.prices import BATCH_SHARE, load_facts
from labeler.llm.protocol import BatchBackend, BatchLine, BatchLook, Usage
from labeler.llm.providers.batch_lookup import id_of, listed, not_arrived
from labeler.llm.providers.chat_completions import ResultLine, read_reply, read_result, reduced, request_line
from labeler.llm.providers.http import SUBMIT_SECONDS, compact
from labeler.llm.providers.openai import OpenAIBackend
from labeler.llm.quirks import ServerMemory
from labeler.llm.refusals import RejectionError, passes, said_in
from labeler.settings import Settings

OURS = "labeler"
"""The entry of a batch's metadata that holds our own id of it."""

_ENDED = {"completed", "failed", "expired", "cancelled"}
_DROPPABLE = ("temperature", "reasoning_effort", "response_format")
"""Parts that a body which was made before can do without."""


def open_openai(name: LLMName, settings: Settings) -> BatchBackend:
    """Raises InputError where the key is missing, or a setting is malformed."""
    endpoint = find_endpoint(
        name,
        key=settings.openai_api_key,
        variable=settings.named("openai_api_key"),
        gateway=settings.openai_gateway,
        gateway_variable=settings.named("openai_base_url"),
        listed=settings.api_keys,
        listed_variable=settings.named("api_keys"),
    )
    facts, memory = load_facts(settings), ServerMemory(settings.home, address(name, endpoint.base_url))
    entry = facts.of(name, endpoint.base_url)
    return OpenAIBatchBackend(name, endpoint, prices=facts.prices, memory=memory, entry=entry)


class OpenAIBatchBackend(OpenAIBackend):
    """Answers one by one, or in batches at half the price."""

    batch_discount = BATCH_SHARE

    def __init__(
        self, name: LLMName, endpoint: Endpoint, *, clock: Callable[[], float] = time.time, **options: Any
    ) -> None:
        """``options`` are those of ``OpenAIBackend``."""
        super().__init__(name, endpoint, **options)
        self._clock = clock

    async def submit(self, batch_id: str, bodies: Mapping[str, dict[str, Any]]) -> str:
        """See the protocol. The file is sent first; one whose batch never came is the provider's to throw away."""
        dropped = self._dialect.without.intersection(_DROPPABLE)
        lines = [compact(request_line(custom_id, reduced(body, dropped))) for custom_id, body in bodies.items()]
        try:
            file = await self._wire.upload(
                "/files", f"{batch_id}.jsonl", b"".join(lines), {"purpose": "batch"}, SUBMIT_SECONDS / 2
            )
            asked = {
                "input_file_id": id_of(file, self._failures),
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": {OURS: batch_id},
            }
            batch = await self._wire.send("/batches", asked, SUBMIT_SECONDS / 2)
        except RejectionError as rejection:
            if rejection.status not in (404, 405):
                raise
            line = self._failures.line("this server has no batches; ask it directly")
            raise RejectedError(line) from None
        return id_of(batch, self._failures)

    async def find(self, batch_id: str, n_requests: int, since: float, known: Sequence[str]) -> str | None:
        """See the protocol; told by the batches' metadata."""
        async for batch in listed(self._wire.get, "/batches", "after", since, self._failures):
            metadata = batch.get("metadata")
            if isinstance(metadata, Mapping) and metadata.get(OURS) == batch_id:
                return id_of(batch, self._failures)
        not_arrived(since, self._clock(), self._failures)
        return None

    async def look(self, provider_id: str) -> BatchLook:
        """See the protocol."""
        batch = await self._batch(provider_id)
        counts = batch.get("request_counts")
        total, done, failed = (
            (count(counts.get(name)) or 0) if isinstance(counts, Mapping) else 0
            for name in ("total", "completed", "failed")
        )
        return BatchLook(
            ended=batch.get("status") in _ENDED, n_requests=total, n_done=done + failed, reason=self._reason(batch)
        )

    async def results(self, provider_id: str) -> AsyncIterator[BatchLine]:
        """See the protocol; an expired or cancelled batch has what was done until then."""
        batch = await self._batch(provider_id)
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                file = id_of({"id": batch[name]}, self._failures)
                async with aclosing(self._wire.lines(f"/files/{file}/content")) as lines:
                    async for line in lines:
                        try:
                            found = read_result(line)
                        except ValueError:  # its request is not named then, and is sent again
                            continue
                        yield self._line(found)

    async def cancel(self, provider_id: str) -> None:
        """See the protocol."""
        await self._wire.post(f"/batches/{provider_id}/cancel", {})

    async def _batch(self, provider_id: str) -> Mapping[str, Any]:
        found = await self._wire.get(f"/batches/{provider_id}")
        if not isinstance(found, Mapping) or "status" not in found:
            raise MalformedError(self._failures.line("this is no batch"))
        return found

    def _reason(self, batch: Mapping[str, Any]) -> str | None:
        status = batch.get("status")
        if status in ("expired", "cancelled"):
            return f"the batch was {status}" if status == "cancelled" else "the batch expired"
        if status != "failed":
            return None
        errors = batch.get("errors")
        data = errors.get("data") if isinstance(errors, Mapping) else None
        first = data[0] if isinstance(data, list) and data else None
        return self._failures.line("the batch failed", said_in(first))

    def _line(self, found: ResultLine) -> BatchLine:
        if found.status == 200:
            try:
                reply = self._failures.without_key(read_reply(found.body, self._half))
            except MalformedError as error:
                line = self._failures.line(str(error))
                return BatchLine(custom_id=found.custom_id, reason=line, again=True, maybe_billed=True)
            self._sizes.heard(reply)
            return BatchLine(custom_id=found.custom_id, reply=reply)
        said = said_in(found.body)
        if found.status is None:
            reason, again = self._failures.line("no answer", f"{found.code} {said}".strip()), True
        else:
            reason = self._failures.line(f"HTTP {found.status}", said)
            teaches = self._dialect.told(said, _DROPPABLE)
            again = teaches or passes(found.status)
            self._sizes.told(said, found.status)
        return BatchLine(custom_id=found.custom_id, reason=reason, again=again)

    def _half(self, usage: Usage) -> float | None:
        usd = self.price(usage)
        return None if usd is None else BATCH_SHARE * usd
