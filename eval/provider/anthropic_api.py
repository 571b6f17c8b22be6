"""Anthropic's API: messages, their tokens, batches of them."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from eval.provider import anthropic_forms as forms
from eval.provider.asked import read
from eval.provider.batches import Batch, Line
from eval.provider.counting import input_tokens
from eval.provider.errors import ApiError
from eval.provider.reading import page, read_json
from eval.provider.sending import send, send_json
from eval.provider.single import serve
from eval.provider.submitting import submit
from eval.provider.world import BROKEN, World

MOST_REQUESTS = 100_000
MOST_LISTED = 1_000
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class AnthropicApi:
    """The handlers, over what the provider remembers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Where each is."""
        batches = "/v1/messages/batches"
        return [
            web.post("/v1/messages", self.message),
            web.post("/v1/messages/count_tokens", self.count_tokens),
            web.post(batches, self.submit),
            web.get(batches, self.listed),
            web.get(f"{batches}/{{id}}", self.look),
            web.get(f"{batches}/{{id}}/results", self.results),
            web.post(f"{batches}/{{id}}/cancel", self.cancel),
        ]

    async def message(self, request: web.Request) -> web.StreamResponse:
        """An answer."""
        return await serve(request, self._world, "anthropic")

    async def count_tokens(self, request: web.Request) -> web.StreamResponse:
        """How many tokens a request has; nothing is billed."""
        body = await read_json(request)
        asked = read("anthropic", {"max_tokens": 1, **body} if isinstance(body, dict) else body)
        return await send_json(request, {"input_tokens": input_tokens(asked)})

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Takes a batch."""
        body = await read_json(request)
        lines = _lines(body)

        def make() -> Batch:
            if self._world.fails("anthropic"):
                for line in lines:
                    line.problem = BROKEN
            return Batch(
                id=forms.new_id("msgbatch"),
                lines=lines,
                created=self._world.clock(),
                seconds=self._world.knobs.batch_seconds,
            )

        batch = await submit(request, self._world, "anthropic", json.dumps(body, sort_keys=True).encode(), make)
        return await self._send(request, batch) if isinstance(batch, Batch) else batch

    async def listed(self, request: web.Request) -> web.StreamResponse:
        """A page of batches, newest first."""
        shown, more = page(self._world.batches("anthropic"), request, after="after_id", most=MOST_LISTED)
        origin = str(request.url.origin())
        ends = {"first_id": shown[0].id if shown else None, "last_id": shown[-1].id if shown else None}
        return await send_json(request, {"data": [forms.batch(one, origin) for one in shown], "has_more": more, **ends})

    async def look(self, request: web.Request) -> web.StreamResponse:
        """How a batch stands."""
        return await self._send(request, self._world.batch("anthropic", request.match_info["id"]))

    async def results(self, request: web.Request) -> web.StreamResponse:
        """What came of every request of a batch that has ended, one a line, in any order."""
        batch = self._world.batch("anthropic", request.match_info["id"])
        if batch.state != "ended":
            raise ApiError(404, f"the results of {batch.id} are not there before it has ended")
        lines = [json.dumps(forms.result(line)) + "\n" for line in self._world.shuffled(batch)]
        response = await send(request, "".join(lines).encode(), "application/x-jsonl")
        self._world.arrived([line.key for line in batch.lines if line.key is not None])
        return response

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Asks for a batch's end."""
        return await self._send(request, self._world.cancel("anthropic", request.match_info["id"]))

    async def _send(self, request: web.Request, batch: Batch) -> web.StreamResponse:
        return await send_json(request, forms.batch(batch, str(request.url.origin())))


def _lines(body: Any) -> list[Line]:
    """The requests of a batch; ApiError where it is none."""
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise ApiError(400, "requests: Field required")
    if len(requests) > MOST_REQUESTS:
        raise ApiError(413, f"requests: at most {MOST_REQUESTS}")
    lines = []
    for at, one in enumerate(requests):
        custom_id = one.get("custom_id") if isinstance(one, dict) else None
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            raise ApiError(400, f"requests.{at}.custom_id: String should match pattern '^{_CUSTOM_ID.pattern}$'")
        if not isinstance(one.get("params"), dict):
            raise ApiError(400, f"requests.{at}.params: Field required")
        lines.append(Line(custom_id=custom_id, body=one["params"]))
    if len({line.custom_id for line in lines}) < len(lines):
        raise ApiError(400, "requests: custom_id must be unique within a batch")
    return lines
