"""Claude, through Anthropic's API."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from typing import Any

import anthropic
from anthropic.types import Message
from pydantic import BaseModel

from labeler.llm.bounds import most_input
from labeler.llm.dialect import Dialect
from labeler.llm.endpoints import NO_KEY, Endpoint, find_endpoint
from labeler.llm.errors import MalformedError, RefusedError, RejectedError, TruncatedError
from labeler.llm.failures import Failures, translated
from labeler.llm.names import LLMName
from labeler.llm.prices import price
from labeler.llm.protocol import Answer, Backend, Capabilities, Request, TextLogprobs, Usage
from labeler.llm.structured import read_answer
from labeler.llm.transport import CONNECT_SECONDS, TOTAL_SECONDS, http_client
from labeler.settings import Settings


def open_anthropic(name: LLMName, settings: Settings) -> Backend:
    """Raises InputError where the key is missing."""
    endpoint = find_endpoint(
        name,
        provider_url="https://api.anthropic.com",
        key=settings.anthropic_api_key,
        variable="ANTHROPIC_API_KEY",
        listed=settings.api_keys,
    )
    return AnthropicBackend(name, endpoint)


class AnthropicBackend:
    """One Claude model at one endpoint. Safe for many calls at once, on one event loop."""

    capabilities = Capabilities(schema=True)

    def __init__(self, name: LLMName, endpoint: Endpoint, *, seconds: float = TOTAL_SECONDS) -> None:
        self.name = str(name)
        self._model = name.model
        self._endpoint = endpoint
        self._seconds = seconds
        self._failures = Failures(self.name, endpoint.key)
        self._dialect = Dialect({"temperature": "temperature"})
        # Every value that the SDK would otherwise take from the environment is given here or held back by the client.
        self._client = anthropic.AsyncAnthropic(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            timeout=anthropic.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
            max_retries=0,
            open_telemetry=False,
            http_client=http_client(anthropic.DefaultAioHttpClient, endpoint),
        )

    async def ask(self, request: Request) -> Answer:
        """One attempt, after at most one unbilled rejection of the temperature."""
        offered = {"temperature"} if request.temperature is not None else set()
        message = await self._dialect.speak(lambda without: self._send(request, without), offered)
        try:
            return self._answer(request, message)
        except (AttributeError, TypeError):  # the SDK takes any JSON for its types
            raise MalformedError(self._failures.line("this is not a message of Claude"), maybe_billed=True) from None

    def bound(self, request: Request) -> Usage:
        """The most that one call can take: all of its input put into the cache, which costs more than reading it."""
        forms = [] if request.schema is None else [json.dumps(_output_format(request.schema))]
        usage = Usage(input_tokens=most_input(request, *forms), output_tokens=request.max_tokens)
        return self._priced(usage, written=usage.input_tokens)

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Raises RejectedError: Anthropic gives none."""
        raise RejectedError(self._failures.line("gives no log-probabilities"))

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    async def _send(self, request: Request, without: frozenset[str]) -> Message:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "messages": [{"role": "user", "content": request.prompt}],
        }
        if request.system:
            body["system"] = [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}]
        if request.schema is not None:
            # What `messages.parse` sends. Not that method itself: it raises for an answer that does not fit before
            # the usage of that answer, which was billed, can be read.
            body["output_config"] = {"format": _output_format(request.schema)}
        if request.temperature is not None and "temperature" not in without:
            body["extra_body"] = {"temperature": request.temperature}  # the SDK's method knows it no more
        message = await translated(self._client.messages.create(**body), anthropic, self._failures, self._seconds)
        if not isinstance(message, Message):  # a page, say
            raise MalformedError(
                self._failures.line("this is not an answer of Anthropic's API; is the base url right?"),
                maybe_billed=True,
            )
        return message

    def _answer(self, request: Request, message: Message) -> Answer:
        usage = self._usage(message)
        if message.stop_reason == "refusal":
            raise RefusedError(self._failures.line("the model declined to answer"), usage=usage)
        if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
            raise TruncatedError(
                self._failures.line(f"the answer was cut at {usage.output_tokens} tokens"), usage=usage
            )
        # By type: thinking may come first.
        text = "".join(block.text for block in message.content or () if block.type == "text")
        return read_answer(text, request, usage, self._failures)

    def _usage(self, message: Message) -> Usage:
        counts = message.usage
        read, written = counts.cache_read_input_tokens or 0, counts.cache_creation_input_tokens or 0
        usage = Usage(
            input_tokens=counts.input_tokens + read + written,  # Anthropic's own figure leaves out both
            cached_tokens=read,
            output_tokens=counts.output_tokens,
        )
        return self._priced(usage, written)

    def _priced(self, usage: Usage, written: int) -> Usage:
        base_url = None if self._endpoint.official else self._endpoint.base_url
        usd = price("anthropic", self._model, usage, base_url=base_url, cache_write_tokens=written)
        return dataclasses.replace(usage, usd=usd)


@functools.lru_cache(maxsize=64)
def _output_format(schema: type[BaseModel]) -> dict[str, Any]:
    return {"type": "json_schema", "schema": anthropic.transform_schema(schema)}
