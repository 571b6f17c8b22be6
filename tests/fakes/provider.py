"""An LLM provider on 127.0.0.1: Anthropic's messages and OpenAI's chat completions, with scripted behaviour.

    async with FakeProvider(answer("a label"), fail(529)) as provider: ...      # in the test's own loop
    with ProviderThread(lambda asked: json_answer({"label": asked.prompt})) as thread: ...   # beside other code
    with ProviderThread(judge_by_words) as thread: ...                 # answers the judges' prompts by the label in them

Name models ``anthropic:m@{provider.url}`` and ``openai:m@{provider.url}/v1``. The script is a function of what was
asked, or behaviours that are used up in turn and then followed by ``answer("ok")``.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What the provider does with one request."""

    text: str = ""
    stop: str = "end"
    """``end``, ``truncated`` or ``refusal``."""
    fault: str | None = None
    """``hang`` (until the client leaves) or ``reset`` (after the request was read) instead of an answer."""
    billed: bool = True
    seconds: float = 0.0
    """How long it takes."""
    thinking: str | None = None
    input_tokens: int = 100
    """All of them, with those of the next two."""
    cached_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 10
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    raw: str | None = None
    """A body to send as it is, as JSON or (where it begins with ``<``) as a page."""


def answer(text: str, **changes: Any) -> Behaviour:
    """An ordinary answer; also for malformed JSON and JSON of a wrong form."""
    return dataclasses.replace(Behaviour(text=text), **changes)


def json_answer(value: Any, **changes: Any) -> Behaviour:
    """An answer of a wanted form."""
    return answer(json.dumps(value), **changes)


def fail(status: int, message: str = "no", *, headers: Mapping[str, str] | None = None) -> Behaviour:
    """An HTTP error, which is not billed."""
    return Behaviour(status=status, message=message, headers=headers or {}, billed=False)


def truncated(text: str = '{"label": "cut of') -> Behaviour:
    """An answer that was cut at ``max_tokens``."""
    return Behaviour(text=text, stop="truncated")


def refusal(message: str = "") -> Behaviour:
    """The model declines."""
    return Behaviour(message=message, stop="refusal")


def hang(*, billed: bool = False) -> Behaviour:
    """No answer, ever."""
    return Behaviour(fault="hang", billed=billed)


def reset(*, billed: bool = False) -> Behaviour:
    """The connection is dropped after the request was read."""
    return Behaviour(fault="reset", billed=billed)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as the provider received it."""

    api: str
    """``anthropic`` or ``openai``."""
    headers: Mapping[str, str]
    """With lower-case names."""
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """What the user says."""
        return str(self.body["messages"][-1]["content"])

    @property
    def system(self) -> str:
        """What stands before it."""
        if self.api == "anthropic":
            return "".join(block["text"] for block in self.body.get("system", []))
        return "".join(message["content"] for message in self.body["messages"] if message["role"] == "system")

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer must fit."""
        if self.api == "anthropic":
            return self.body.get("output_config", {}).get("format", {}).get("schema")
        return self.body.get("response_format", {}).get("json_schema", {}).get("schema")

    @property
    def key(self) -> str:
        """The key that came with it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")


Script = Callable[[Asked], Behaviour]


def judge_by_words(asked: Asked) -> Behaviour:
    """Answers a judge's prompt by the words of the label in it, those that it quotes where it quotes any.

    Yes to a context that holds one, or whose marks do where there are marks; of a set without a label, the context
    whose marked words are rarest in the set. What is not a judge's prompt is an error.
    """
    sets = re.findall(r'<evidence id="(\d+)">(.*?)</evidence>', asked.prompt, re.DOTALL)
    if sets:
        return json_answer({"sets": [{"id": int(number), "odd": _odd_one(shown)} for number, shown in sets]})
    label = re.search(r"<explanation>\n(.*?)\n</explanation>", asked.prompt, re.DOTALL)
    if label is None:
        return fail(400, "no explanation, no sets")
    wanted = _words(" ".join(re.findall(r'"([^"]+)"', label[1])) or label[1])
    return json_answer(
        {"contexts": [{"id": at, "yes": bool(wanted & _looked_at(text))} for at, text in _contexts(asked.prompt)]}
    )


def _contexts(prompt: str) -> list[tuple[int, str]]:
    found = re.findall(r'<context id="(\d+)">(.*?)</context>', prompt, re.DOTALL)
    return [(int(number), text) for number, text in found]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _looked_at(context: str) -> set[str]:
    """The marked words, or all where nothing is marked."""
    return _words(" ".join(re.findall("⟦(.*?)⟧", context, re.DOTALL)) or context)


def _odd_one(shown: str) -> int:
    contexts = [(number, _looked_at(text)) for number, text in _contexts(shown)]
    count = collections.Counter(word for _, marked in contexts for word in marked)
    return min(contexts, key=lambda one: max((count[word] for word in one[1]), default=0))[0]


class FakeProvider:
    """The server, as an asynchronous context manager."""

    def __init__(self, *script: Behaviour | Script) -> None:
        functions = [step for step in script if not isinstance(step, Behaviour)]
        self._function: Script | None = functions[0] if functions else None
        self._queue = collections.deque(step for step in script if isinstance(step, Behaviour))
        self.asked: list[Asked] = []
        """Every request, in the order of arrival."""
        self.billed: list[Behaviour] = []
        """What was billed, answered or not."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.url = ""

    async def __aenter__(self) -> FakeProvider:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/messages", lambda request: self._serve(request, "anthropic"))
        app.router.add_post("/v1/chat/completions", lambda request: self._serve(request, "openai"))
        self._closing = asyncio.Event()
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _serve(self, request: web.Request, api: str) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(api=api, headers=headers, body=await request.json())
        self.asked.append(asked)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._behave(request, asked)
        finally:
            self.in_flight -= 1

    async def _behave(self, request: web.Request, asked: Asked) -> web.Response:
        if self._function is not None:
            behaviour = self._function(asked)
        else:
            behaviour = self._queue.popleft() if self._queue else answer("ok")
        if behaviour.billed:
            self.billed.append(behaviour)
        await asyncio.sleep(behaviour.seconds)
        if behaviour.fault == "hang":
            await self._closing.wait()
        if behaviour.fault is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if behaviour.raw is not None:
            kind = "text/html" if behaviour.raw.startswith("<") else "application/json"
            return web.Response(text=behaviour.raw, content_type=kind, status=behaviour.status)
        form = _anthropic if asked.api == "anthropic" else _openai
        return web.json_response(form(behaviour), status=behaviour.status, headers=behaviour.headers)


def _anthropic(behaviour: Behaviour) -> dict[str, Any]:
    if behaviour.status != 200:
        return {"type": "error", "error": {"type": "invalid_request_error", "message": behaviour.message}}
    content = [{"type": "thinking", "thinking": behaviour.thinking, "signature": "s"}] if behaviour.thinking else []
    if behaviour.text:
        content.append({"type": "text", "text": behaviour.text})
    stops = {"end": "end_turn", "truncated": "max_tokens", "refusal": "refusal"}
    usage = {
        "input_tokens": behaviour.input_tokens - behaviour.cached_tokens - behaviour.written_tokens,
        "cache_read_input_tokens": behaviour.cached_tokens,
        "cache_creation_input_tokens": behaviour.written_tokens,
        "output_tokens": behaviour.output_tokens,
    }
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "stop_sequence": None}
    return {**head, "content": content, "stop_reason": stops[behaviour.stop], "usage": usage}


def _openai(behaviour: Behaviour) -> dict[str, Any]:
    if behaviour.status != 200:
        return {"error": {"message": behaviour.message, "type": "invalid_request_error", "param": None, "code": None}}
    refused = behaviour.stop == "refusal"
    message: dict[str, Any] = {"role": "assistant", "content": None if refused else behaviour.text}
    message["refusal"] = (behaviour.message or "I cannot help with that.") if refused else None
    if behaviour.thinking:
        message["content"] = f"<think>{behaviour.thinking}</think>\n{behaviour.text}"
    usage = {
        "prompt_tokens": behaviour.input_tokens,
        "completion_tokens": behaviour.output_tokens,
        "total_tokens": behaviour.input_tokens + behaviour.output_tokens,
        "prompt_tokens_details": {"cached_tokens": behaviour.cached_tokens},
    }
    finish = "length" if behaviour.stop == "truncated" else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice], "usage": usage}


class ProviderThread:
    """The server in a thread of its own, as a context manager, for code that blocks or has its own loop."""

    def __init__(self, *script: Behaviour | Script) -> None:
        self.provider = FakeProvider(*script)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return self.provider.url

    def __enter__(self) -> ProviderThread:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.provider.__aenter__(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.provider.__aexit__(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
