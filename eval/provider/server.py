"""The server: both APIs at one address, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from eval.provider import anthropic_forms, openai_forms
from eval.provider.anthropic_api import AnthropicApi
from eval.provider.billing import Bill, Ledger, Totals
from eval.provider.buckets import Clock
from eval.provider.errors import ApiError
from eval.provider.knobs import Knobs
from eval.provider.openai_api import OpenAIApi
from eval.provider.sending import CLOSING, send_json
from eval.provider.world import World

LARGEST = 2**29
"""Of a body, in bytes."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Provider:
    """A provider on 127.0.0.1, as a context manager.

    Beside the two APIs it has ``GET /billed``, the totals as JSON with ``said``, how often every kind of thing became of
    a request, and ``POST /reset``, which forgets everything.
    """

    def __init__(self, knobs: Knobs | None = None, *, port: int = 0, clock: Clock = time.time) -> None:
        """``port`` 0 takes a free one; ``clock`` gives seconds since the epoch to limits and batches."""
        self._world = World(knobs or Knobs(), clock)
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider", daemon=True)
        self.url = ""
        """``http://127.0.0.1:port``: Anthropic's base URL; OpenAI's is ``/v1`` under it."""

    @property
    def billed(self) -> list[Bill]:
        """Every bill until now, in order."""
        return self._world.books(lambda ledger: list(ledger.bills))

    def totals(self) -> Totals:
        """All bills together."""
        return self._world.books(Ledger.totals)

    def billed_twice(self) -> dict[str, int]:
        """How often each question was billed that was billed more than once, by its hash."""
        return self._world.books(Ledger.billed_twice)

    @property
    def said(self) -> dict[str, int]:
        """How often each became of a request: ``answered``, ``limited`` (by a true limit), or a fault's name."""
        return self._world.said()

    def reset(self) -> None:
        """Forgets everything."""
        self._world.reset()

    def __enter__(self) -> Provider:
        self._thread.start()
        try:
            self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._stop()

    async def _start(self) -> str:
        app = web.Application(client_max_size=LARGEST, middlewares=[_told])
        app.on_response_prepare.append(_named)
        app[CLOSING] = self._closing = asyncio.Event()
        app.add_routes([*AnthropicApi(self._world).routes(), *OpenAIApi(self._world).routes()])
        app.add_routes([web.get("/billed", self._billed), web.post("/reset", self._reset)])
        # A handler ends when its client leaves, so that no connection hangs for longer than somebody waits.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _end(self) -> None:
        self._closing.set()
        await self._runner.cleanup()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _billed(self, request: web.Request) -> web.StreamResponse:
        return await send_json(request, {**self.totals().as_json(), "said": self.said})

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        self._world.reset()
        return await send_json(request, {})


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells a client what went wrong in the words of the API that it asked."""
    try:
        return await handler(request)
    except ApiError as problem:
        request_id = anthropic_forms.new_id("req")
        said = anthropic_forms.error(problem, request_id) if _is_anthropic(request) else openai_forms.error(problem)
        headers = {_name_of_id(request): request_id, **problem.headers}
        return await send_json(request, said, status=problem.status, headers=headers)
    except ConnectionError:  # the client has left
        return web.Response()


async def _named(request: web.Request, response: web.StreamResponse) -> None:
    """Gives every answer the id by which each provider names a request."""
    response.headers.setdefault(_name_of_id(request), anthropic_forms.new_id("req"))


def _is_anthropic(request: web.Request) -> bool:
    return request.path.startswith("/v1/messages")


def _name_of_id(request: web.Request) -> str:
    return "request-id" if _is_anthropic(request) else "x-request-id"
