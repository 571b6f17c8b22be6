"""HTTP under the SDKs' clients: what is let out, JSON exchanged, event streams put together.

Some servers send event streams, asked for them or not; the client of a provider's SDK knows how to log in there.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from httpx2 import AsyncByteStream, Response

from labeler.llm.concurrency import patience
from labeler.llm.endpoints import NO_KEY, Endpoint
from labeler.llm.error_bodies import is_error, parsed, told
from labeler.llm.errors import MalformedError, OversizedError, TimedOutError
from labeler.llm.refusals import BROKEN, Failures, translated

SUBMIT_SECONDS = 240.0
"""How long sending a batch may take; less than anybody waits before asking whether it arrived."""
CONNECT_SECONDS = 10.0
"""How long reaching the server may take."""
IDLE_SECONDS = 60.0
"""How long an answer that has begun to come may pause."""
LONGEST_ERROR = 64 * 2**10
"""Bytes of a refusal that are read; its words stand at the beginning."""

_HARMLESS = {
    *("host", "connection", "content-length", "content-type", "transfer-encoding"),
    *("accept", "accept-encoding", "user-agent", "anthropic-version"),
}


def http_client(make: Callable[..., Any], endpoint: Endpoint) -> Any:
    """An SDK's ``DefaultAioHttpClient`` (``make``) for one endpoint.

    It follows no redirect, which could carry a key to another host. To a server that is not the provider's it sends
    only headers known to be harmless, beside the key that was meant for it: the SDKs add what they find in variables
    such as ``OPENAI_ORG_ID`` and ``ANTHROPIC_CUSTOM_HEADERS``.
    """

    async def bound(response: Any) -> None:
        if response.status_code >= 300:  # the SDKs read it to its end, which need not come
            response.headers.pop("content-encoding", None)
            response.stream = _Beginning(response.stream)

    async def guard(request: Any) -> None:
        for header in set(request.headers.keys()):
            if header.lower() not in _HARMLESS:
                del request.headers[header]
        request.headers["authorization"] = f"Bearer {endpoint.key or NO_KEY}"

    async def plain(request: Any) -> None:
        request.headers["accept-encoding"] = "identity"  # so that a size is what it seems

    return make(
        follow_redirects=False,
        trust_env=not endpoint.origin.loopback,  # a proxy of the environment is not for servers on this machine
        event_hooks={"request": [plain] if endpoint.trusted else [plain, guard], "response": [bound]},
    )


class _Beginning(AsyncByteStream):
    """The beginning of a body, as much as comes of it without a pause: its status has said what it is."""

    def __init__(self, whole: AsyncByteStream) -> None:
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, chunks = LONGEST_ERROR, aiter(self._whole)
        while left > 0:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    chunk = await anext(chunks)
            except (StopAsyncIteration, *BROKEN):  # a pause that is too long among them
                return
            yield chunk[:left]
            left -= len(chunk)

    async def aclose(self) -> None:
        """See the base."""
        await self._whole.aclose()


_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}(?:data|event|id|retry)?:")
_END = re.compile(rb"^(?:data:\s*\[DONE\]|event:\s*message_stop)\s*$", re.MULTILINE)
_TAIL = 64


def is_stream(content: bytes | bytearray) -> bool:
    """Whether what came so far is the beginning of an event stream."""
    return _BEGINNING.match(content) is not None


def has_ended(content: bytes | bytearray, newest: int) -> bool:
    """Whether a stream says in its newest bytes, so many, that nothing more will come: not every server hangs up."""
    return _END.search(content, max(0, len(content) - newest - _TAIL)) is not None


def put_together(content: bytes) -> object:
    """The completion or the message that a whole stream tells of, or the error that broke it off.

    Raises ValueError, in one line, where it is no stream of either kind, or broke off without a word.
    """
    texts = [_data(event) for event in re.split(r"\r?\n\r?\n|\r\r", content.decode("utf-8-sig", "replace"))]
    done = "[DONE]" in texts
    events = [parsed(text) for text in texts if text and text != "[DONE]"]
    found = [event for event in events if isinstance(event, Mapping)]
    for event in found:
        if is_error(event.get("error")) or event.get("type") == "error":
            return event
        if "choices" not in event and "type" not in event and told(event) is not None:
            return event
    if any(event.get("type") == "message_start" for event in found):
        return _message(found)
    return _completion(found, done)


def _data(event: str) -> str:
    lines = [line.removeprefix("data:").strip() for line in event.splitlines() if line.startswith("data:")]
    return "\n".join(lines)


def _completion(chunks: Iterable[Mapping[str, Any]], done: bool) -> object:
    whole: dict[str, Any] = {}
    pieces: dict[str, list[str]] = defaultdict(list)
    calls: dict[object, dict[str, list[str]]] = {}
    finish: object = None
    for chunk in chunks:
        if chunk.get("usage"):
            whole["usage"] = chunk["usage"]
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, Mapping):
            continue
        if isinstance(first.get("message"), Mapping):  # all of it at once
            return {**chunk, **whole}
        if is_error(first.get("error")):
            return chunk
        finish = first.get("finish_reason") or finish
        delta = first.get("delta")
        for key, value in delta.items() if isinstance(delta, Mapping) else ():
            if isinstance(value, str) and key != "role":
                pieces[key].append(value)
        if isinstance(delta, Mapping):
            _add_calls(calls, delta)
    if finish is None and not done:
        raise ValueError("the stream of events broke off")
    message: dict[str, Any] = {"role": "assistant", "content": "", **_joined(pieces)}
    if calls:
        message["tool_calls"] = [{"type": "function", "function": _joined(call)} for call in calls.values()]
    return {**whole, "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _joined(pieces: Mapping[str, list[str]]) -> dict[str, str]:
    """Each text whole: adding piece to piece would copy it each time."""
    return {key: "".join(texts) for key, texts in pieces.items()}


def _add_calls(calls: dict[object, dict[str, list[str]]], delta: Mapping[str, Any]) -> None:
    listed = delta.get("tool_calls")
    for call in [*(listed if isinstance(listed, list) else ()), {"function": delta.get("function_call")}]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            one = calls.setdefault(str(call.get("index")), {"name": [], "arguments": []})
            for key, texts in one.items():
                if isinstance(function.get(key), str):
                    texts.append(function[key])


def _message(events: Iterable[Mapping[str, Any]]) -> object:
    message: dict[str, Any] = {}
    blocks: dict[str, dict[str, Any]] = {}
    pieces: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    ended = False
    for event in events:
        kind, delta = event.get("type"), event.get("delta")
        if kind == "message_start" and isinstance(event.get("message"), Mapping):
            message = dict(event["message"])
        elif kind == "content_block_start" and isinstance(event.get("content_block"), Mapping):
            blocks[str(event.get("index"))] = dict(event["content_block"])
        elif kind == "content_block_delta" and isinstance(delta, Mapping):
            blocks.setdefault(str(event.get("index")), {"type": "text"})
            for key in ("text", "thinking", "partial_json"):
                if isinstance(delta.get(key), str):
                    pieces[str(event.get("index"))][key].append(delta[key])
        elif kind == "message_delta":
            message |= delta if isinstance(delta, Mapping) else {}
            usage = [part for part in (message.get("usage"), event.get("usage")) if isinstance(part, Mapping)]
            message["usage"] = {key: value for part in usage for key, value in part.items() if value is not None}
            ended = message.get("stop_reason") is not None
    if not ended:
        raise ValueError("the stream of events broke off")
    for index, texts in pieces.items():
        block = blocks[index]
        for key, text in _joined(texts).items():
            block[key] = (block[key] if isinstance(block.get(key), str) else "") + text
        written = block.pop("partial_json", None)
        if written is not None:
            try:
                block["input"] = parsed(written)
            except ValueError:
                block["input"] = written
    return {**message, "content": list(blocks.values())}


LONGEST = 8 * 2**20
"""Bytes of an answer, or of a line of a batch's results; an answer takes a thousandth of it."""
LONGEST_RESULTS = 2**30
"""Bytes of all results of a batch."""
RESULTS_SECONDS = 3600.0
"""How long reading the results of a batch may take."""


class Wire:
    """One endpoint. Raises only the errors of ``labeler.llm.errors``, named, in one line, without its key.

    The answers are taken as JSON and not as the SDK's types, into which it forces whatever a server sent. They are read
    as they come, so that none can be larger, or take longer, than an answer may.
    """

    def __init__(
        self, client: Any, sdk: ModuleType, failures: Failures, seconds: float, idle: float = IDLE_SECONDS
    ) -> None:
        """``seconds`` is how long a usual call may take in all, ``idle`` how long an answer that has begun may pause."""
        self._client = client
        self._sdk = sdk
        self._failures = failures
        self._seconds = seconds
        self._idle = min(idle, seconds)

    async def post(self, path: str, body: Mapping[str, Any], room: int = 0) -> tuple[object, Mapping[str, str]]:
        """The JSON that comes back, and the headers; ``room`` is how many tokens may be written of it.

        Whoever cannot read it cannot know whether it was billed.
        """
        seconds = patience(room, self._seconds)
        timeout = self._sdk.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        call = self._client.post(path, body=body, options={"timeout": timeout}, **self._streaming())
        return await self._fetched(call, seconds)

    async def send(self, path: str, body: Mapping[str, Any], seconds: float) -> object:
        """The same for what is large, and takes longer than a question may."""
        call = self._client.post(path, body=body, options={"timeout": seconds}, **self._streaming())
        return (await self._fetched(call, seconds))[0]

    async def upload(self, path: str, name: str, content: bytes, fields: Mapping[str, str], seconds: float) -> object:
        """The JSON that comes back for a file."""
        options = {"timeout": seconds, "headers": {"Content-Type": "multipart/form-data"}}
        files = [("file", (name, content))]
        call = self._client.post(path, body=fields, files=files, options=options, **self._streaming())
        return (await self._fetched(call, seconds))[0]

    async def get(self, path: str, **params: str | int) -> object:
        """The JSON at a path."""
        call = self._client.get(path, options={"params": params}, **self._streaming())
        return (await self._fetched(call, self._seconds))[0]

    async def lines(self, path: str) -> AsyncGenerator[bytes]:
        """The lines of what may be large, as they come; none is held longer than it is looked at."""
        clock = asyncio.get_running_loop().time
        end, n_bytes = clock() + RESULTS_SECONDS, 0
        response: Response = await self._translated(self._client.get(path, **self._streaming()), self._seconds)
        try:
            chunks, left = response.aiter_bytes(), bytearray()
            while (chunk := await self._translated(anext(chunks, None), self._seconds)) is not None:
                n_bytes += len(chunk)
                if n_bytes > LONGEST_RESULTS or clock() > end:
                    raise OversizedError(self._failures.line("the results never end"))
                *whole, end_of_chunk = chunk.split(b"\n")
                for line in whole:
                    yield bytes(left + line)
                    left.clear()
                left += end_of_chunk
                if len(left) > LONGEST:
                    raise OversizedError(self._failures.line("a line of the results never ends"))
            if left:
                yield bytes(left)
        finally:
            await response.aclose()

    def _streaming(self) -> dict[str, Any]:
        return {"cast_to": Response, "stream": True, "stream_cls": self._sdk.AsyncStream}

    async def _fetched(self, call: Awaitable[Response], seconds: float) -> tuple[object, Mapping[str, str]]:
        async def whole() -> tuple[bytes, Mapping[str, str]]:
            response = await call
            try:
                return await self._content(response), response.headers
            finally:
                await response.aclose()

        content, headers = await self._translated(whole(), seconds)
        try:
            return put_together(content) if is_stream(content) else parsed(content), headers
        except ValueError as error:
            said = str(error) if is_stream(content) else "the body of the answer is not JSON; is the base url right?"
            raise MalformedError(self._failures.line(said), maybe_billed=True) from None

    async def _content(self, response: Response) -> bytes:
        """The body, as far as it may go, without blanks before it; a stream of events ends where it says so."""
        chunks, content, n_bytes = response.aiter_bytes(), bytearray(), 0
        while True:
            try:
                # Until it begins, the time of the whole is what counts: a model may think before it says anything.
                async with asyncio.timeout(self._idle if content else None):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                line = self._failures.line(f"the answer stopped coming for {self._idle:g} s")
                raise TimedOutError(line, maybe_billed=True) from None
            if chunk is None:
                return bytes(content)
            content += chunk if content else chunk.lstrip()  # blanks are how some servers say that they are at it
            n_bytes += len(chunk)
            if n_bytes > LONGEST:
                line = self._failures.line(f"the answer is longer than {LONGEST >> 20} MB")
                raise OversizedError(line, maybe_billed=True)
            if is_stream(content) and has_ended(content, len(chunk)):
                return bytes(content)

    async def _translated(self, call: Awaitable[Any], seconds: float) -> Any:
        return await translated(call, self._sdk, self._failures, seconds)


def compact(value: Mapping[str, Any]) -> bytes:
    """A line of a file of requests."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
