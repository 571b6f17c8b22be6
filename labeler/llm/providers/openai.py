"""OpenAI's completions, and every server that speaks them: vLLM, llama.cpp and others."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from labeler.llm.answers import LONGEST, instruction, is_json
from labeler.llm.calls import together
from labeler.llm.concurrency import TOTAL_SECONDS
from labeler.llm.context_windows import Sizes
from labeler.llm.cost_bounds import most_input, n_bytes
from labeler.llm.endpoints import NO_KEY, Endpoint, address
from labeler.llm.errors import MalformedError, RejectedError
from labeler.llm.names import LLMName
from labeler.llm.prices import Entry, Prices, canonical
from labeler.llm.prompt_logprobs import NONE_GIVEN, read_echoed
from labeler.llm.protocol import Capabilities, Reply, Request, TextLogprobs, Usage
from labeler.llm.providers.chat_completions import THINKING_TOKENS, chat_body, read_reply, read_usage
from labeler.llm.providers.http import CONNECT_SECONDS, IDLE_SECONDS, Wire, http_client
from labeler.llm.quirks import FORM, Dialect, ServerMemory
from labeler.llm.rate_limits import read_limits
from labeler.llm.refusals import Failures, RejectionError
from labeler.llm.schemas import response_format

LIKELIEST = 20
"""How many words a server is asked to list at every token where alternatives are looked up: vLLM's usual limit."""
FEWER_LIKELIEST = 5
"""The same for a server that takes no more; OpenAI's first API took five."""

_LESSONS = {"temperature": "temperature"}
_LESSONS_OF_OWN_HOST = {**_LESSONS, "reasoning_effort": r"reasoning[\W_]?effort"}
# Of other servers only: on OpenAI's own host a rejected schema is a schema to mend, and the limit has its newest name.
_LESSONS_OF_OTHERS = {
    **_LESSONS,
    "response_format": FORM,
    "max_tokens": r"use\W+max_completion_tokens",
    "whole": r"\bstream",
}


class OpenAIBackend:
    """One model at one endpoint. Safe for many calls at once, on one event loop."""

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
        # OpenAI's own host gives no log-probabilities of a prompt; of another server the first call tells.
        self.capabilities = Capabilities(schema=True, logprobs=not endpoint.official)
        self._llm = name
        self._model = name.model
        self._endpoint = endpoint
        self._prices = prices or Prices()
        self._failures = Failures(self.name, endpoint.key, endpoint.hint)
        memory = memory and memory.cleaning(self._failures.clean)
        lessons = _LESSONS_OF_OWN_HOST if endpoint.official else _LESSONS_OF_OTHERS
        self._dialect = Dialect(lessons, memory=memory, probing=not endpoint.official)
        self._sizes = Sizes(thinking=THINKING_TOKENS if endpoint.official else 0, context=said.context, memory=memory)
        self._dialect_of_logprobs = Dialect({"likeliest": "logprobs"}, memory=memory)
        self._gives_logprobs: bool | None = None if self.capabilities.logprobs else False
        # Every value that the SDK would otherwise take from the environment is given here or held back by the client.
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            timeout=openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
            max_retries=0,
            http_client=http_client(openai.DefaultAioHttpClient, endpoint),
        )
        self._wire = Wire(self._client, openai, self._failures, seconds, idle)

    async def ask(self, request: Request) -> Reply:
        """One attempt, after a few unbilled rejections of what the server will not take, or not with so much room."""
        offered = {"reasoning_effort"} if self._endpoint.official else {"max_tokens", "whole"}
        if request.temperature is not None:
            offered.add("temperature")
        if request.schema is not None:
            offered.add("response_format")
        return await self._sizes.ask(
            lambda sized: self._dialect.speak(functools.partial(self._send, sized), offered),
            self._sized(request),
            n_bytes(request, *_forms(request)),
        )

    def bound(self, request: Request) -> Usage:
        """The most that one call can take, whichever way the server has its schema and with all room for thinking."""
        forms = _forms(request)
        room = self._sizes.room(request, n_bytes(request, *forms))
        usage = Usage(input_tokens=most_input(request, *forms) + len(self.address.extra), output_tokens=room)
        usd = self._prices.most(self._llm, usage, base_url=self._endpoint.priced_at)
        return dataclasses.replace(usage, usd=usd)

    def fits(self, request: Request) -> bool:
        """See the protocol."""
        return self._sizes.fits(request, n_bytes(request, *_forms(request)))

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of a chat completion, without what the server is known not to take."""
        return chat_body(
            self._model,
            self._sized(request),
            own_host=self._endpoint.official,
            without=self._dialect.without,
            extra=self._extra,
        )

    def price(self, usage: Usage) -> float | None:
        """US dollars for tokens of this model, asked one by one; None where nobody knows."""
        return self._prices(self._llm, usage, base_url=self._endpoint.priced_at)

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Each text's in a call of its own; ``among`` are found where they are among the LIKELIEST words at a token.

        Raises RejectedError where the server gives none, and asks such a server once only.
        """
        return await together(self._given(prefix, text, among) for text in texts)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    def _sized(self, request: Request) -> Request:
        return dataclasses.replace(request, room=self._sizes.room(request, n_bytes(request, *_forms(request))))

    async def _send(self, request: Request, without: frozenset[str]) -> Reply:
        official = self._endpoint.official
        body = chat_body(self._model, request, own_host=official, without=without, extra=self._extra)
        found, headers = await self._wire.post("/chat/completions", body, self._sizes.room(request, 0))
        self._raise_told(found, headers)
        try:
            reply = self._failures.without_key(read_reply(found, self.price))
        except MalformedError as error:
            line = self._failures.line(f"{error}; does the base url lack a /v1?")
            raise MalformedError(line, maybe_billed=True) from None
        wanted = request.schema is not None and reply.stop == "end" and 0 < len(reply.text.strip()) <= LONGEST
        if wanted and not official and "response_format" in body:
            if is_json(reply.text):
                self._dialect.heeded("response_format")
            else:  # perhaps the server overlooks it
                self._dialect.missed("response_format", self._failures.line("the answer is not JSON", reply.text))
        return dataclasses.replace(reply, limits=read_limits(headers))

    async def _given(self, prefix: str, text: str, among: Sequence[str]) -> TextLogprobs:
        if self._gives_logprobs is False:
            raise RejectedError(self._failures.line(NONE_GIVEN))
        offered = {"likeliest"} if among else set()
        try:
            completion = await self._dialect_of_logprobs.speak(
                lambda without: self._complete(prefix + text, _n_listed(among, without)), offered
            )
        except RejectionError as rejection:
            if self._gives_logprobs:
                raise
            raise RejectedError(f"{rejection}; if that is about echo or logprobs: this server {NONE_GIVEN}") from None
        choices = completion["choices"]
        logprobs = choices[0].get("logprobs") if choices and isinstance(choices[0], dict) else None
        usage = read_usage(completion.get("usage"), self.price)
        try:
            found = read_echoed(logprobs, prefix, text, among, usage, self._failures)
        except RejectedError as error:
            if self._gives_logprobs:  # it gave them before: this answer is an odd one
                raise MalformedError(str(error), usage=error.usage) from None
            self._gives_logprobs = False
            raise
        self._gives_logprobs = True
        return found

    async def _complete(self, prompt: str, listed: int) -> dict[str, Any]:
        # One token is written, for not every server takes none; it is not looked at.
        body = {"model": self._model, "prompt": prompt, "echo": True, "logprobs": listed, "max_tokens": 1}
        completion, headers = await self._wire.post("/completions", body)
        self._raise_told(completion, headers)
        if not isinstance(completion, dict) or not isinstance(completion.get("choices"), list):
            raise MalformedError(self._failures.line("this is not a completion"), maybe_billed=True)
        return completion

    def _raise_told(self, body: object, headers: Mapping[str, str]) -> None:
        """Raises the error that the body of a 200 tells of."""
        usage = read_usage(body.get("usage"), self.price) if isinstance(body, Mapping) else None
        error = self._failures.of_body(body, headers, usage)
        if error is not None:
            raise error


def _forms(request: Request) -> list[str]:
    schema = request.schema
    return [] if schema is None else [json.dumps(response_format(schema)), instruction(schema)]


def _n_listed(among: Sequence[str], without: frozenset[str]) -> int:
    if not among:
        return 1
    return FEWER_LIKELIEST if "likeliest" in without else LIKELIEST
