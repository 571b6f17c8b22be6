"""What a model reads of a request's body."""

from __future__ import annotations

from collections.abc import Mapping

_NOT_READ = {"model", "role", "type", "cache_control", "reasoning_effort"}


def text_of(value: object) -> str:
    """All texts of a body, or of a part of one, each below the other; those of its schema too, for they are billed."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(text_of(one) for key, one in value.items() if key not in _NOT_READ)
    if isinstance(value, list | tuple):
        return "\n".join(map(text_of, value))
    return ""
