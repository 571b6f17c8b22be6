"""Files that OpenAI's API keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file."""

    id: str
    name: str
    purpose: str
    content: bytes
    created: float
    keys: tuple[str, ...] = ()
    """Of the questions whose useful answers are in it."""
