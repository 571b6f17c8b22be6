"""OpenAI's completions, and every server that speaks them: vLLM, llama.cpp and others."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from typing import Any

import openai
from openai.types import Completion
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from labeler.llm.bounds import most_input
from labeler.llm.dialect import Dialect
from labeler.llm.echoed import NONE_GIVEN, read_echoed
from labeler.llm.endpoints import NO_KEY, Endpoint, find_endpoint
from labeler.llm.errors import MalformedError, RefusedError, RejectedError, TruncatedError
from labeler.llm.failures import Failures, RejectionError, translated
from labeler.llm.names import LLMName
from labeler.llm.prices import price
from labeler.llm.protocol import Answer, Backend, Capabilities, Request, TextLogprobs, Usage
from labeler.llm.structured import instruction, is_json, read_answer
from labeler.llm.together import together
from labeler.llm.transport import CONNECT_SECONDS, TOTAL_SECONDS, http_client
from labeler.settings import Settings

THINKING_TOKENS = 1_000
"""Room for thinking on OpenAI's own host, beside a request's ``max_tokens``: its limit is on both together."""

LIKELIEST = 20
"""How many words a server is asked to list at every token where alternatives are looked up: vLLM's usual limit."""
FEWER_LIKELIEST = 5
"""The same for a server that takes no more; OpenAI's first API took five."""

_LESSONS = {"temperature": "temperature"}
_LESSONS_OF_OWN_HOST = {**_LESSONS, "reasoning_effort": r"reasoning[\W_]?effort"}
# Of other servers only: on OpenAI's own host a rejected schema is a schema to mend, and the limit has its newest name.
_LESSONS_OF_OTHERS = {
    **_LESSONS,
    "response_format": "response_format|json_schema|grammar",
    "max_tokens": r"use\W+max_completion_tokens",
}

_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)  # of servers that do not take thinking out of the text


def open_openai(name: LLMName, settings: Settings) -> Backend:
    """Raises InputError where the key is missing or ``OPENAI_BASE_URL`` is malformed."""
    endpoint = find_endpoint(
        name,
        provider_url="https://api.openai.com/v1",
        key=settings.openai_api_key,
        variable="OPENAI_API_KEY",
        gateway=settings.openai_base_url,
        gateway_variable="OPENAI_BASE_URL",
        listed=settings.api_keys,
    )
    return OpenAIBackend(name, endpoint)


class OpenAIBackend:
    """One model at one endpoint. Safe for many calls at once, on one event loop."""

    def __init__(self, name: LLMName, endpoint: Endpoint, *, seconds: float = TOTAL_SECONDS) -> None:
        self.name = str(name)
        # OpenAI's own host gives no log-probabilities of a prompt; of another server the first call tells.
        self.capabilities = Capabilities(schema=True, logprobs=not endpoint.official)
        self._model = name.model
        self._endpoint = endpoint
        self._seconds = seconds
        self._failures = Failures(self.name, endpoint.key)
        self._dialect = Dialect(_LESSONS_OF_OWN_HOST if endpoint.official else _LESSONS_OF_OTHERS)
        self._dialect_of_logprobs = Dialect({"likeliest": "logprobs"})
        self._gives_logprobs: bool | None = None if self.capabilities.logprobs else False
        # Every value that the SDK would otherwise take from the environment is given here or held back by the client.
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            timeout=openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
            max_retries=0,
            http_client=http_client(openai.DefaultAioHttpClient, endpoint),
        )

    async def ask(self, request: Request) -> Answer:
        """One attempt, after at most three unbilled rejections of what the server will not take."""
        offered = {"reasoning_effort" if self._endpoint.official else "max_tokens"}
        if request.temperature is not None:
            offered.add("temperature")
        if request.schema is not None:
            offered.add("response_format")
        completion = await self._dialect.speak(lambda without: self._send(request, without), offered)
        try:
            return self._answer(request, completion)
        except (AttributeError, TypeError):  # the SDK takes any JSON for its types
            raise MalformedError(self._failures.line("this is not a chat completion"), maybe_billed=True) from None

    def bound(self, request: Request) -> Usage:
        """The most that one call can take, whichever way the server has its schema and with all room for thinking."""
        schema = request.schema
        forms = [] if schema is None else [json.dumps(_response_format(schema)), instruction(schema)]
        return self._priced(Usage(input_tokens=most_input(request, *forms), output_tokens=self._limit(request)))

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Each text's in a call of its own; ``among`` are found where they are among the LIKELIEST words at a token.

        Raises RejectedError where the server gives none, and asks such a server once only.
        """
        return await together(self._given(prefix, text, among) for text in texts)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    async def _send(self, request: Request, without: frozenset[str]) -> ChatCompletion:
        body: dict[str, Any] = {"model": self._model}
        system = request.system
        if request.schema is not None and "response_format" in without:
            system = f"{system}\n\n{instruction(request.schema)}".strip()
        elif request.schema is not None:
            body["response_format"] = _response_format(request.schema)
        newest = self._endpoint.official or "max_tokens" in without
        body["max_completion_tokens" if newest else "max_tokens"] = self._limit(request)
        if self._endpoint.official and "reasoning_effort" not in without:
            body["reasoning_effort"] = "low"  # what is asked here takes little thought, and thinking is billed
        if request.temperature is not None and "temperature" not in without:
            body["temperature"] = request.temperature
        body["messages"] = [{"role": "system", "content": system}] if system else []
        body["messages"].append({"role": "user", "content": request.prompt})
        completion = await translated(
            self._client.chat.completions.create(**body), openai, self._failures, self._seconds
        )
        if not isinstance(completion, ChatCompletion):  # a page, say
            raise MalformedError(
                self._failures.line("this is not a chat completion; does the base url lack a /v1?"), maybe_billed=True
            )
        return completion

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
        try:
            usage = self._usage(completion)
            logprobs = completion.choices[0].logprobs if completion.choices else None
            found = read_echoed(logprobs, prefix, text, among, usage, self._failures)
        except RejectedError as error:
            if self._gives_logprobs:  # it gave them before: this answer is an odd one
                raise MalformedError(str(error), usage=error.usage) from None
            self._gives_logprobs = False
            raise
        except (AttributeError, TypeError):  # the SDK takes any JSON for its types
            raise MalformedError(self._failures.line("this is not a completion"), maybe_billed=True) from None
        self._gives_logprobs = True
        return found

    async def _complete(self, prompt: str, listed: int) -> Completion:
        # One token is written, for not every server takes none; it is not looked at.
        call = self._client.completions.create(
            model=self._model, prompt=prompt, echo=True, logprobs=listed, max_tokens=1
        )
        completion = await translated(call, openai, self._failures, self._seconds)
        if not isinstance(completion, Completion):
            raise MalformedError(self._failures.line("this is not a completion"), maybe_billed=True)
        return completion

    def _answer(self, request: Request, completion: ChatCompletion) -> Answer:
        usage = self._usage(completion)
        if not completion.choices:
            raise MalformedError(self._failures.line("the answer holds no choice"), usage=usage)
        choice = completion.choices[0]
        if choice.finish_reason == "length":
            raise TruncatedError(
                self._failures.line(f"the answer was cut at {usage.output_tokens} tokens"), usage=usage
            )
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            line = self._failures.line("the model declined to answer", choice.message.refusal or "")
            raise RefusedError(line, usage=usage)
        text = _THOUGHT.sub("", choice.message.content or "")
        if request.schema is not None and not self._endpoint.official and text.strip() and not is_json(text):
            self._dialect.drop("response_format")  # the server overlooks it: ask in words from the next call on
        return read_answer(text, request, usage, self._failures)

    def _limit(self, request: Request) -> int:
        return request.max_tokens + (THINKING_TOKENS if self._endpoint.official else 0)

    def _usage(self, completion: ChatCompletion | Completion) -> Usage:
        counts = completion.usage
        if counts is None:  # some servers count nothing; where somebody is paid, the price is then unknown
            return Usage(usd=0.0 if not self._endpoint.official and self._endpoint.origin.loopback else None)
        details = counts.prompt_tokens_details
        usage = Usage(
            input_tokens=counts.prompt_tokens,
            cached_tokens=(details.cached_tokens if details else 0) or 0,
            output_tokens=counts.completion_tokens,
        )
        return self._priced(usage)

    def _priced(self, usage: Usage) -> Usage:
        base_url = None if self._endpoint.official else self._endpoint.base_url
        return dataclasses.replace(usage, usd=price("openai", self._model, usage, base_url=base_url))


def _n_listed(among: Sequence[str], without: frozenset[str]) -> int:
    if not among:
        return 1
    return FEWER_LIKELIEST if "likeliest" in without else LIKELIEST


@functools.lru_cache(maxsize=64)
def _response_format(schema: type[BaseModel]) -> dict[str, Any]:
    # What `chat.completions.parse` sends. Not that method itself: it raises for an answer that does not fit before the
    # usage of that answer, which was billed, can be read.
    strict = openai.pydantic_function_tool(schema)["function"]["parameters"]
    name = re.sub(r"\W", "_", schema.__name__, flags=re.ASCII)[:64]
    wanted = {"name": name, "schema": _without_defaults(strict), "strict": True}
    return {"type": "json_schema", "json_schema": wanted}


def _without_defaults(schema: Any) -> Any:
    # Strict schemas may not hold any, and the SDK takes out only those that are null. Under `properties` and `$defs`
    # the keys are names, which may be this very word.
    if isinstance(schema, list):
        return [_without_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_defaults(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else _without_defaults(value)
        for key, value in schema.items()
        if key != "default"
    }
