"""What was learned of how a model's server wants its requests, remembered for other processes and for tomorrow."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeler.llm.aliases import same_model
from labeler.llm.endpoints import address
from labeler.llm.foreign import parsed
from labeler.llm.names import LLMName
from labeler.llm.protocol import Address
from labeler.settings import Settings

WEEK_SECONDS = 7 * 24 * 3600.0
"""How long lessons are believed: servers are upgraded. All of a model's count from its first one on, so that they are
learned anew together."""

FILE = "servers.json"

_LONGEST = 200
"""Characters that are kept of what a server said."""

_MEANINGS = {
    "response_format": "takes no schema; the form is asked for in words",
    "output_config": "takes no schema; the form is asked for in words",
    "temperature": "takes no temperature",
    "whole": "answers in streams only",
    "reasoning_effort": "takes no reasoning effort",
    "max_tokens": "calls the limit of an answer max_completion_tokens",
    "likeliest": "lists few alternatives of a token",
    "thinking": "thinks, and gets room for it beside its answers, in tokens",
    "context": "takes in and writes at once no more than so many tokens",
    "written": "writes no more than so many tokens",
}


@dataclass(frozen=True, kw_only=True)
class Learned:
    """One lesson about one model at one server, with the evidence for it."""

    provider: str
    model: str
    base_url: str
    what: str
    """The part of a request that it is about: ``response_format``, ``temperature``, …"""
    value: float | None = None
    """How much, of what has a size."""
    said: str = ""
    """What the server said or did when it was seen last; untrusted, on one line, without a key."""
    times: int = 1
    """How often it was seen."""
    first: float
    """When it was seen first, in seconds since the epoch."""
    last: float
    """When it was seen last."""

    @property
    def meaning(self) -> str:
        """The lesson in words, with the server for its subject."""
        meaning = _MEANINGS.get(self.what, self.what)
        return meaning if self.value is None else f"{meaning}: {self.value:g}"


def known(settings: Settings) -> list[Learned]:
    """Everything that is remembered of any server, by server, model and lesson."""
    found = _read(settings.home / FILE, time.time())
    return sorted(found, key=lambda one: (one.base_url, one.provider, one.model, one.what))


def forget(settings: Settings, model: str | None = None) -> int:
    """Forgets what is remembered of a model, or of all of them; returns how many lessons that were.

    A name without a base url means its model at every server that a setting ever named. Raises InputError for a
    malformed name, OSError where the file cannot be written.
    """
    path, name = settings.home / FILE, None if model is None else LLMName.parse(model)
    before = _read(path, time.time())
    kept = [one for one in before if name is not None and not _meant(one, name)]
    if len(kept) < len(before):
        _write(path, kept)
    return len(before) - len(kept)


class ServerMemory:
    """The lessons of one model at one server, in a file of the home that all share.

    Memory is a convenience: a home that is not there or cannot be written, a damaged file, or a lesson that was lost to
    another writer only mean that something is learned again.
    """

    def __init__(self, home: Path, address: Address, *, clock: Callable[[], float] = time.time) -> None:
        self._path = home / FILE
        self._address = address
        self._clock = clock
        self._clean: Callable[[str], str] = str

    def cleaning(self, clean: Callable[[str], str]) -> ServerMemory:
        """The same memory, which keeps of a server's words what ``clean`` leaves of them."""
        memory = copy.copy(self)
        memory._clean = clean
        return memory

    def recall(self) -> dict[str, Learned]:
        """The lessons of the last week, each by what it is about."""
        return {one.what: one for one in _read(self._path, self._clock()) if self._ours(one)}

    def remember(self, what: str, *, said: str = "", times: int = 1, value: float | None = None) -> None:
        """Adds a lesson that was seen so many times, or one more sight of it; a new value takes the place of the old."""
        now = self._clock()
        everything = _read(self._path, now)
        before = next((one for one in everything if self._ours(one) and one.what == what), None)
        lesson = Learned(
            provider=self._address.provider,
            model=self._address.model,
            base_url=self._address.base_url or "",
            what=what,
            value=value,
            said=self._clean(said)[:_LONGEST],
            times=times + (before.times if before else 0),
            first=before.first if before else now,
            last=now,
        )
        with contextlib.suppress(OSError):
            _write(self._path, [*(one for one in everything if one is not before), lesson])

    def _ours(self, one: Learned) -> bool:
        return _whose(one) == (self._address.provider, self._address.model, self._address.base_url or "")


def _whose(one: Learned) -> tuple[str, str, str]:
    return one.provider, one.model, one.base_url


def _meant(one: Learned, name: LLMName) -> bool:
    same = same_model(f"{one.provider}:{one.model}", f"{name.provider}:{name.model}")
    return same and (name.base_url is None or one.base_url == address(name).base_url)


def _read(path: Path, now: float) -> list[Learned]:
    """The lessons that are whole and not too old."""
    try:
        found = parsed(path.read_bytes())
    except (OSError, ValueError):
        return []
    whole = [_lesson(entry) for entry in found] if isinstance(found, list) else []
    lessons = [one for one in whole if one is not None and one.first <= now]
    begun: dict[tuple[str, str, str], float] = {}
    for one in lessons:
        begun[_whose(one)] = min(one.first, begun.get(_whose(one), one.first))
    return [one for one in lessons if now - begun[_whose(one)] < WEEK_SECONDS]


def _lesson(entry: object) -> Learned | None:
    if not isinstance(entry, Mapping):
        return None
    texts: dict[str, Any] = {name: entry.get(name) for name in ("provider", "model", "base_url", "what", "said")}
    numbers: dict[str, Any] = {name: entry.get(name) for name in ("times", "first", "last")}
    value = entry.get("value")
    sound = all(isinstance(text, str) and text.isprintable() for text in texts.values())
    if not sound or not all(_is_number(number) for number in [*numbers.values(), 0 if value is None else value]):
        return None
    return Learned(**texts, **numbers, value=value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _write(path: Path, lessons: list[Learned]) -> None:
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([dataclasses.asdict(one) for one in lessons], file)
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise
