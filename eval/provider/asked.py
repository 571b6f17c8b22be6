"""A request as either API takes it, read alike."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from eval.provider.errors import ApiError


@dataclass(frozen=True)
class Asked:
    """What was asked. Its properties suppose what ``read`` has seen to."""

    api: str
    """``anthropic`` or ``openai``."""
    body: dict[str, Any]

    @functools.cached_property
    def key(self) -> str:
        """The same for the same question to the same API, alone or in a batch."""
        written = json.dumps(self.body, sort_keys=True)
        return hashlib.sha256(f"{self.api} {written}".encode()).hexdigest()

    @property
    def model(self) -> str:
        """As it was named."""
        return str(self.body["model"])

    @functools.cached_property
    def system(self) -> str:
        """What stands before the first thing that the user says."""
        if self.api == "anthropic":
            return _text(self.body.get("system"))
        return "".join(
            _text(m.get("content")) for m in self.body["messages"] if m.get("role") in ("system", "developer")
        )

    @functools.cached_property
    def prefix(self) -> str:
        """The part of the system text that may be cached: up to the last mark for it (Anthropic), or all."""
        if self.api == "openai":
            return self.system
        blocks = self.body.get("system")
        blocks = blocks if isinstance(blocks, list) else []
        marked = [at for at, block in enumerate(blocks) if isinstance(block, dict) and block.get("cache_control")]
        return _text(blocks[: marked[-1] + 1]) if marked else ""

    @functools.cached_property
    def user(self) -> str:
        """What is said in messages that are not the system's."""
        messages = [m for m in self.body["messages"] if m.get("role") not in ("system", "developer")]
        return "\n".join(_text(message.get("content")) for message in messages)

    @functools.cached_property
    def sent_schema(self) -> dict[str, Any] | None:
        """The JSON schema that the API itself was asked to keep."""
        if self.api == "anthropic":
            found = _at(self.body, "output_config", "format", "schema")
        else:
            found = _at(self.body, "response_format", "json_schema", "schema")
        return found if isinstance(found, dict) else None

    @functools.cached_property
    def schema(self) -> dict[str, Any] | None:
        """The form that the answer should have: the schema sent, or one that stands on a line of the system text."""
        return self.sent_schema or next(filter(None, map(_schema, reversed(self.system.split("\n")))), None)

    @property
    def max_tokens(self) -> int | None:
        """The most that the answer may take; None where nobody said."""
        found = self.body.get("max_completion_tokens") or self.body.get("max_tokens")
        return found if isinstance(found, int) else None


def read(api: str, body: Any) -> Asked:
    """A request's body, looked at as far as the rest of this package supposes; ApiError where it is none."""
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    wanted = {"model": str, "messages": list, **({"max_tokens": int} if api == "anthropic" else {})}
    for name, kind in wanted.items():
        if not isinstance(body.get(name), kind):
            raise ApiError(400, f"{name}: Field required", param=name)
    if not body["messages"] or not all(isinstance(message, dict) for message in body["messages"]):
        raise ApiError(400, "messages: at least one message is required", param="messages")
    return Asked(api, body)


def _text(content: Any) -> str:
    """The text of a message's content: a string, or blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))


def _schema(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "properties" in found else None


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
