"""What a question is remembered by: the model, where it is asked, and everything that its answer depends on."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from labeler.llm.protocol import Address, Request


def key(address: Address, request: Request) -> str:
    """64 hexadecimal digits; the same for the same question to the same model, in every process."""
    return _digest(
        address,
        {
            "system": request.system,
            "prompt": request.prompt,
            "schema": None if request.schema is None else _schema(request.schema),
            "max_tokens": request.max_tokens,
            "temperature": None if request.temperature is None else float(request.temperature),
            "draw": request.draw,
            **({"extra_body": address.extra} if address.extra else {}),
        },
    )


def logprobs_key(address: Address, prefix: str, text: str, among: Sequence[str]) -> str:
    """The same for a text's log-probabilities behind a prefix, with alternatives."""
    return _digest(address, {"prefix": prefix, "text": text, "among": list(among)})


def _digest(address: Address, question: dict[str, Any]) -> str:
    where = {"provider": address.provider, "model": address.model, "base_url": address.base_url}
    # Escaped, so that half characters have a form too; unsorted, because the order of a schema's parts is part of it.
    return hashlib.sha256(json.dumps({**where, **question}, separators=(",", ":")).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _schema(schema: type[BaseModel]) -> dict[str, Any]:
    return schema.model_json_schema()
