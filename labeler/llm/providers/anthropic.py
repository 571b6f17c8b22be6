"""Claude, through Anthropic's API."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import anthropic
from pydantic import BaseModel

from labeler.llm.answers import LONGEST, in_words, instruction, is_json
from labeler.llm.concurrency import TOTAL_SECONDS
from labeler.llm.context_windows import Sizes
from labeler.llm.cost_bounds import most_input, n_bytes
from labeler.llm.endpoints import NO_KEY, Endpoint, address
from labeler.llm.error_bodies import count, sound, written
from labeler.llm.errors import MalformedError, RejectedError
from labeler.llm.names import LLMName
from labeler.llm.prices import Entry, Prices, canonical
from labeler.llm.protocol import Capabilities, Reply, Request, TextLogprobs, Usage
from labeler.llm.providers.chat_completions import was_cut
from labeler.llm.providers.http import CONNECT_SECONDS, IDLE_SECONDS, Wire, http_client
from labeler.llm.quirks import FORM, Dialect, ServerMemory
from labeler.llm.rate_limits import read_limits
from labeler.llm.refusals import Failures
from labeler.llm.thoughts import tokens_of

NO_MESSAGE = "this is not a message of Claude"

Price = Callable[[Usage, int], float | None]
"""US dollars for a usage, so many of whose input tokens were put into the cache; None where nobody knows."""


class AnthropicBackend:
    """One Claude model at one endpoint. Safe for many calls at once, on one event loop."""

    capabilities = Capabilities(schema=True)

    def __init__(
        self,
        name: LLMName,
        endpoint: Endpoint,
        *,
        prices: Prices | None = None,
        memory: ServerMemory | None = None,
        entry: Entry | None = None,
        seconds: float = TOTAL_SECONDS,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self.name = str(name)
        said = entry or Entry()
        self.address = address(name, endpoint.base_url, canonical(said.extra_body))
        self._extra = said.extra_body
        self._llm = name
        self._endpoint = endpoint
        self._prices = prices or Prices()
        self._failures = Failures(self.name, endpoint.key, endpoint.hint)
        memory = memory and memory.cleaning(self._failures.clean)
        # Of other servers only: on Anthropic's own host a rejected schema is a schema to mend.
        lessons = {"temperature": "temperature"} | ({} if endpoint.official else {"output_config": FORM})
        self._dialect = Dialect(lessons, memory=memory, probing=not endpoint.official)
        thinking = said.extra_body.get("thinking")
        budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
        self._sizes = Sizes(thinking=count(budget) or 0, context=said.context, memory=memory)
        # Every value that the SDK would otherwise take from the environment is given here or held back by the client.
        self._client = anthropic.AsyncAnthropic(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            timeout=anthropic.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
            max_retries=0,
            open_telemetry=False,
            http_client=http_client(anthropic.DefaultAioHttpClient, endpoint),
        )
        self._wire = Wire(self._client, anthropic, self._failures, seconds, idle)

    async def ask(self, request: Request) -> Reply:
        """One attempt, after a few unbilled rejections of the temperature, or of so much room."""
        offered = {"temperature"} if request.temperature is not None else set()
        if request.schema is not None and not self._endpoint.official:
            offered.add("output_config")
        return await self._sizes.ask(
            lambda sized: self._dialect.speak(functools.partial(self._send, sized), offered),
            self._sized(request),
            n_bytes(request, *_forms(request)),
        )

    def bound(self, request: Request) -> Usage:
        """The most that one call can take: all of its input put into the cache, which costs more than reading it."""
        forms = _forms(request)
        room = self._sizes.room(request, n_bytes(request, *forms))
        usage = Usage(input_tokens=most_input(request, *forms) + len(self.address.extra), output_tokens=room)
        usd = self._prices.most(self._llm, usage, base_url=self._endpoint.priced_at)
        return dataclasses.replace(usage, usd=usd)

    def fits(self, request: Request) -> bool:
        """See the protocol."""
        return self._sizes.fits(request, n_bytes(request, *_forms(request)))

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of a message, without what the model is known not to take."""
        return _body(self._llm.model, self._sized(request), self._dialect.without) | self._extra

    def price(self, usage: Usage, written: int = 0) -> float | None:
        """US dollars for tokens of this model, asked one by one; None where nobody knows."""
        return self._prices(self._llm, usage, base_url=self._endpoint.priced_at, written=written)

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Raises RejectedError: Anthropic gives none."""
        raise RejectedError(self._failures.line("gives no log-probabilities"))

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    def _sized(self, request: Request) -> Request:
        return dataclasses.replace(request, room=self._sizes.room(request, n_bytes(request, *_forms(request))))

    async def _send(self, request: Request, without: frozenset[str]) -> Reply:
        body = _body(self._llm.model, request, without) | self._extra
        found, headers = await self._wire.post("/v1/messages", body, self._sizes.room(request, 0))
        told = self._failures.of_body(found, headers)
        if told is not None:
            raise told
        try:
            reply = self._failures.without_key(read_reply(found, self.price))
        except MalformedError as error:
            raise MalformedError(self._failures.line(f"{error}; is the base url right?"), maybe_billed=True) from None
        if request.schema is not None and "output_config" not in without and not self._endpoint.official:
            if is_json(reply.text):
                self._dialect.heeded("output_config")
            elif reply.stop == "end" and 0 < len(reply.text.strip()) <= LONGEST:  # perhaps the server overlooks it
                self._dialect.missed("output_config", self._failures.line("the answer is not JSON", reply.text))
        return dataclasses.replace(reply, limits=read_limits(headers))


def read_reply(body: object, price: Price) -> Reply:
    """What a message says, whatever JSON it is; raises MalformedError for what is no message."""
    content = body.get("content") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(content, list):
        raise MalformedError(NO_MESSAGE, maybe_billed=True)
    # By type: thinking may come first.
    blocks = [block for block in content if isinstance(block, Mapping) and block.get("type") == "text"]
    text = "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    # Some servers have an answer of a wanted form as the input of a tool.
    inputs = [block.get("input") for block in content if isinstance(block, Mapping) and block.get("type") == "tool_use"]
    text = "\n".join([text, *map(written, inputs)]).strip("\n") if inputs else text
    stop: Literal["end", "truncated", "refused"] = "end"
    if body.get("stop_reason") == "refusal":
        stop = "refused"
    elif was_cut(body.get("stop_reason")):
        stop = "truncated"
    shown = (block.get("thinking") for block in content if isinstance(block, Mapping))
    thought = "".join(one for one in shown if isinstance(one, str))
    usage = _usage(body.get("usage"), price)
    return Reply(text=sound(text), stop=stop, usage=usage, thought=tokens_of(thought, text, usage.output_tokens))


def _usage(counts: object, price: Price) -> Usage:
    if not isinstance(counts, Mapping):
        raise MalformedError(NO_MESSAGE, maybe_billed=True)
    fresh, output = count(counts.get("input_tokens")), count(counts.get("output_tokens"))
    if fresh is None or output is None:
        raise MalformedError(NO_MESSAGE, maybe_billed=True)
    read = count(counts.get("cache_read_input_tokens")) or 0
    written = count(counts.get("cache_creation_input_tokens")) or 0
    # Anthropic's own figure of the input leaves out both.
    usage = Usage(input_tokens=fresh + read + written, cached_tokens=read, output_tokens=output)
    return dataclasses.replace(usage, usd=price(usage, written))


def _body(model: str, request: Request, without: frozenset[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens if request.room is None else request.room,
        "messages": [{"role": "user", "content": request.prompt}],
    }
    system = request.system
    if request.schema is not None and "output_config" in without:
        system = f"{system}\n\n{instruction(request.schema)}".strip()
    elif request.schema is not None:
        body["output_config"] = {"format": _output_format(request.schema)}
    if system:
        body["system"] = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    if request.temperature is not None and "temperature" not in without:
        body["temperature"] = request.temperature
    return body


def reduced(body: Mapping[str, Any], without: Collection[str]) -> dict[str, Any]:
    """A body that was made before, without what a server turned out not to take; a form is asked for in words."""
    left = {part: value for part, value in body.items() if part not in without}
    form = body.get("output_config", {}).get("format", {}).get("schema")
    if form is not None and "output_config" in without:
        said = in_words(form)
        # In front: what is there ends with the mark of the cache.
        left["system"] = [{"type": "text", "text": f"{said}\n\n"}, *body.get("system", [])]
    return left


def _forms(request: Request) -> list[str]:
    schema = request.schema
    return [] if schema is None else [json.dumps(_output_format(schema)), instruction(schema)]


@functools.lru_cache(maxsize=64)
def _output_format(schema: type[BaseModel]) -> dict[str, Any]:
    return {"type": "json_schema", "schema": anthropic.transform_schema(schema)}
