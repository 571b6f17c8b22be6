"""OpenAI's API: chat completions, files, batches of completions."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from eval.provider import openai_forms as forms
from eval.provider.batches import Batch, BatchError, Line
from eval.provider.errors import ApiError
from eval.provider.files import StoredFile
from eval.provider.reading import page, read_json
from eval.provider.sending import send, send_json
from eval.provider.single import serve
from eval.provider.submitting import submit
from eval.provider.world import World

MODELS = ("small", "large", "small-thinking", "small-reasoning", "small-plain")
"""Those that are listed; any other name does as well."""
MOST_REQUESTS = 50_000
MOST_LISTED = 100
COMPLETIONS = "/v1/chat/completions"


class OpenAIApi:
    """The handlers, over what the provider remembers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Where each is."""
        return [
            web.post(COMPLETIONS, self.complete),
            web.get("/v1/models", self.models),
            web.post("/v1/files", self.upload),
            web.get("/v1/files/{id}", self.file),
            web.get("/v1/files/{id}/content", self.content),
            web.post("/v1/batches", self.submit),
            web.get("/v1/batches", self.listed),
            web.get("/v1/batches/{id}", self.look),
            web.post("/v1/batches/{id}/cancel", self.cancel),
        ]

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """An answer."""
        return await serve(request, self._world, "openai")

    async def models(self, request: web.Request) -> web.StreamResponse:
        """Some names of models."""
        return await send_json(request, {"object": "list", "data": [forms.model(name) for name in MODELS]})

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Keeps a file."""
        form = await request.post()
        sent, purpose = form.get("file"), form.get("purpose")
        if not isinstance(sent, web.FileField) or not isinstance(purpose, str):
            raise ApiError(400, "'file' and 'purpose' are required properties", param="file")
        file = StoredFile(
            id=forms.new_id("file"),
            name=sent.filename,
            purpose=purpose,
            content=sent.file.read(),
            created=self._world.clock(),
        )
        return await send_json(request, forms.file(self._world.store(file)))

    async def file(self, request: web.Request) -> web.StreamResponse:
        """What is known of a file."""
        return await send_json(request, forms.file(self._world.file(request.match_info["id"])))

    async def content(self, request: web.Request) -> web.StreamResponse:
        """What is in a file."""
        file = self._world.file(request.match_info["id"])
        response = await send(request, file.content, "application/octet-stream")
        self._world.arrived(file.keys)
        return response

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Takes a batch; what is wrong with its file shows when it is looked at."""
        body = await read_json(request)
        body = body if isinstance(body, dict) else {}
        for name, wanted in (("endpoint", COMPLETIONS), ("completion_window", "24h")):
            if body.get(name) != wanted:
                raise ApiError(400, f"Invalid value for '{name}': '{wanted}' is supported.", param=name)
        file = self._world.file(body.get("input_file_id"))

        def make() -> Batch:
            lines, errors = _lines(file.content)
            if self._world.fails("openai"):
                errors = [
                    BatchError(code="token_limit_exceeded", message="Enqueued token limit reached. Try again later.")
                ]
            return Batch(
                id=forms.new_id("batch"),
                lines=lines,
                created=self._world.clock(),
                seconds=self._world.knobs.batch_seconds,
                errors=errors,
                metadata=body.get("metadata") or {},
                input_file=file.id,
            )

        batch = await submit(request, self._world, "openai", file.content, make)
        return await send_json(request, forms.batch(batch, fresh=True)) if isinstance(batch, Batch) else batch

    async def listed(self, request: web.Request) -> web.StreamResponse:
        """A page of batches, newest first."""
        shown, more = page(self._world.batches("openai"), request, after="after", most=MOST_LISTED)
        ends = {"first_id": shown[0].id if shown else None, "last_id": shown[-1].id if shown else None}
        data = [self._form(one) for one in shown]
        return await send_json(request, {"object": "list", "data": data, "has_more": more, **ends})

    async def look(self, request: web.Request) -> web.StreamResponse:
        """How a batch stands."""
        return await send_json(request, self._form(self._world.batch("openai", request.match_info["id"])))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Asks for a batch's end."""
        return await send_json(request, self._form(self._world.cancel("openai", request.match_info["id"])))

    def _form(self, batch: Batch) -> dict[str, Any]:
        if batch.state == "ended" and not batch.errors and batch.output_file is None and batch.error_file is None:
            lines = self._world.shuffled(batch)
            batch.output_file = self._results(batch, "output", [line for line in lines if line.made is not None])
            batch.error_file = self._results(batch, "error", [line for line in lines if line.made is None])
        return forms.batch(batch)

    def _results(self, batch: Batch, kind: str, lines: list[Line]) -> str | None:
        """The file of an ended batch's answers, or of what went wrong; None where there is nothing to put in it."""
        if not lines:
            return None
        now = self._world.clock()
        file = StoredFile(
            id=forms.new_id("file"),
            name=f"{batch.id}_{kind}.jsonl",
            purpose="batch_output",
            content="".join(json.dumps(forms.result(line, now)) + "\n" for line in lines).encode(),
            created=now,
            keys=tuple(line.key for line in lines if line.key is not None),
        )
        return self._world.store(file).id


def _lines(content: bytes) -> tuple[list[Line], list[BatchError]]:
    """The requests in a batch's file, and what is wrong with it."""
    lines: list[Line] = []
    errors: list[BatchError] = []
    seen: set[str] = set()
    for number, row in enumerate(content.splitlines(), start=1):
        try:
            one = json.loads(row)
            custom_id, url, body = one["custom_id"], one["url"], one["body"]
        except (ValueError, KeyError, TypeError):
            errors.append(
                BatchError(code="invalid_json_line", message="This line is not a valid request.", line=number)
            )
            continue
        if not isinstance(body, dict) or one.get("method") != "POST" or url != COMPLETIONS:
            message = f"This request is not a POST of an object to {COMPLETIONS}."
            errors.append(BatchError(code="invalid_request", message=message, line=number))
        if custom_id in seen:
            message = f"The custom_id '{custom_id}' is used more than once."
            errors.append(BatchError(code="duplicate_custom_id", message=message, line=number, param="custom_id"))
        seen.add(custom_id)
        lines.append(Line(custom_id=custom_id, body=body))
    if not lines and not errors:
        errors.append(BatchError(code="empty_file", message="The input file is empty."))
    if len(lines) > MOST_REQUESTS:
        errors.append(BatchError(code="too_many_requests", message=f"A batch has at most {MOST_REQUESTS} requests."))
    if len({line.body.get("model") for line in lines if isinstance(line.body, dict)}) > 1:
        errors.append(BatchError(code="mismatched_model", message="All requests of a batch are to one model."))
    return lines, errors
