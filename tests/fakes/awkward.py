"""A server of language models that answers each request with a function of its own, byte by byte if need be."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class AwkwardServer:
    """``handle`` gets every request and its body; the server is an asynchronous context manager."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def __aenter__(self) -> AwkwardServer:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.bodies.append(json.loads(text) if text else {})
        try:
            return await self._handle(request, self.bodies[-1])
        except ConnectionError:  # the client had enough
            return web.Response()


class RawServer:
    """Sends these bytes, one after the other for what is asked (the last one stays), whatever they are, and hangs up.

    With ``resets`` the connection ends as one of a machine that fell over.
    """

    def __init__(self, *answers: bytes, resets: bool = False) -> None:
        self._answers = list(answers)
        self._resets = resets
        self.n_asked = 0
        self.url = ""

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length:")
        await reader.readexactly(int(length.split()[0]) if length else 0)
        self.n_asked += 1
        writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
        await writer.drain()
        if self._resets:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()


def raw(body: bytes, *headers: str, status: int = 200, length: int | None = None) -> bytes:
    """An HTTP response, byte by byte; ``length`` is what it claims to have, where it does not stand in the headers."""
    claimed = [f"Content-Length: {length}"] if length is not None else []
    lines = [f"HTTP/1.1 {status} So", "Connection: close", "Content-Type: application/json", *claimed, *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chat(text: str | None, **message: Any) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}


def message(text: str) -> dict[str, Any]:
    """A message of Claude."""
    usage = {"input_tokens": 9, "output_tokens": 4}
    return {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}


def always(body: Any, status: int = 200, **headers: str) -> Handler:
    """The same JSON to whatever is asked."""

    async def handle(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return handle


def in_turn(*handlers: Handler) -> Handler:
    """One handler after the other; the last one stays."""
    left = list(handlers)

    async def handle(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request, asked)

    return handle


def sending(
    *chunks: bytes,
    status: int = 200,
    kind: str = "application/json",
    again: bytes = b"",
    pause: float = 0.0,
    hold: float = 0.0,
) -> Handler:
    """These chunks, and then ``again`` for ever, each after a pause; or nothing, for so many seconds, with ``hold``."""

    async def handle(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": kind})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        while again:
            await response.write(again)
            await asyncio.sleep(pause)
        await asyncio.sleep(hold)
        return response

    return handle


def events(*data: Any, done: bool = True) -> bytes:
    """A stream of events."""
    texts = [json.dumps(one) for one in data] + ["[DONE]"] * done
    return b"".join(f"data: {text}\n\n".encode() for text in texts)


def deltas(*texts: str, **last: Any) -> list[dict[str, Any]]:
    """A chat completion in pieces."""
    pieces = [{"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*pieces, end, {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}, **last}]


def named_events(*data: dict[str, Any]) -> bytes:
    """A stream of Anthropic's events."""
    return b"".join(f"event: {one['type']}\r\ndata: {json.dumps(one)}\r\n\r\n".encode() for one in data)


def pieces_of_a_message(*texts: str) -> list[dict[str, Any]]:
    """A message of Claude in events."""
    start = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    parts = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts
    ]
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
    return [start, block, {"type": "ping"}, *parts, end, {"type": "message_stop"}]
