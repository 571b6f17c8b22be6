"""What a server will not take in a request, learned from its rejections and remembered for other processes."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import json
import math
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from labeler.llm.endpoints import address, same_model
from labeler.llm.error_bodies import parsed
from labeler.llm.errors import MalformedError
from labeler.llm.names import LLMName
from labeler.llm.protocol import Address
from labeler.llm.refusals import FaultError, RejectionError
from labeler.settings import Settings

T = TypeVar("T")

PROBE_SECONDS = 20.0
"""How long calls wait for the first one to tell how the server takes it."""
FORM = (
    r"response[_ ]?format|output[_ ]?(?:config|format)|json[_ ]?(?:schema|mode|object)|schema|grammar"
    r"|structured[_ ]?output|guided[_ ]?(?:json|decoding)"
)
"""By what a server names the form that an answer should have."""

_MISS = re.compile(
    r"json_validate_failed|tool_use_failed|failed_generation|failed to generate (?:a )?(?:valid )?json\b(?! ?schema)"
    r"|(?:generated|produced|returned) (?:json|output|response|text|answer|content)\b[^.]{0,40}\b(?:not|invalid|fail)"
    r"|model (?:generated|produced|returned|wrote)[^.]{0,20}\b(?:invalid|malformed)",
    re.IGNORECASE,
)
"""By what a server says that its model missed the form: it takes the form, and the model may find it the next time."""

ENOUGH = 2
"""How often what may be chance is seen before it teaches: a fault of the server that names a part, and is gone without it;
an answer that is not of the form, where none ever was."""


class Memory(Protocol):
    """Keeps lessons for later processes."""

    def recall(self) -> Collection[str]:
        """The parts that were not taken."""
        ...

    def remember(self, what: str, *, said: str = "", times: int = 1) -> None:
        """Adds one that was seen so many times, the last time by these words."""
        ...


class Dialect:
    """Parts of a request that one server rejected; they are left out (or put otherwise) from then on.

    ``lessons`` maps a part to the pattern that a rejection of it matches. With ``probing``, of a server of which nobody
    knows whether it takes some part, one call finds out while the others wait: else as many would be made in vain, and
    paid where the server overlooks the part, as are under way at once.

    A lesson is one of two observations at least, and kept with their number:

    - the same request was rejected with the part and taken without it, with nothing else between;
    - a fault of the server named the part and was gone without it, twice, and no request with the part was taken since;
    - an answer missed the form, or the server said that its model did, twice, and no answer with the part ever kept to it;
    - a rejection that came later, when nothing could be tried at once, was about the part, twice.
    """

    def __init__(self, lessons: Mapping[str, str], *, memory: Memory | None = None, probing: bool = False) -> None:
        self._lessons = {part: re.compile(pattern, re.IGNORECASE) for part, pattern in lessons.items()}
        self._memory = memory
        self._probing = probing
        self._probe = asyncio.Lock()
        self.without = frozenset(self._lessons.keys() & set(memory.recall())) if memory else frozenset[str]()
        """The parts that are left out."""
        self._form = next((part for part, pattern in lessons.items() if pattern == FORM), None)
        self._taken: frozenset[str] = frozenset()
        """The parts that were accepted before."""
        self._heeded: frozenset[str] = frozenset()
        """Those that an answer showed to be heeded."""
        self._chances: dict[str, Counter[str]] = {"fault": Counter(), "miss": Counter(), "told": Counter()}
        self._evidence: dict[str, tuple[str, int]] = {}
        """What memory does not have yet: the words by which a part was learned last, and how often it was seen."""

    def drop(self, part: str, said: str = "", times: int = 1) -> None:
        """Leave a part out from now on."""
        self.without |= {part}
        _, before = self._evidence.get(part, ("", 0))
        self._evidence[part] = said, before + times

    def heeded(self, part: str) -> None:
        """An answer showed that the server minds a part: those that do not are the model's."""
        self._heeded |= {part}

    def missed(self, part: str, said: str) -> None:
        """An answer looks as if the server overlooked a part."""
        if part not in self._heeded:
            self._chance("miss", part, said)

    def lesson(self, said: str, parts: Collection[str]) -> str | None:
        """The one of these parts that a rejection is about."""
        return next((part for part, pattern in self._lessons.items() if part in parts and pattern.search(said)), None)

    def told(self, said: str, parts: Collection[str]) -> bool:
        """Whether a rejection that came later, in a batch, is about one of these parts.

        Nobody can try at once whether the request is taken without it: seen several times it is left out, and kept.
        What the model missed may come right the next time, and teaches nothing.
        """
        if self._missed_form(said, parts) is not None:
            return True
        lesson = self.lesson(said, parts)
        if lesson is not None and lesson not in self.without:
            self._chance("told", lesson, said)
            self._remember()
        return lesson is not None

    async def speak(self, send: Callable[[frozenset[str]], Awaitable[T]], offered: Collection[str]) -> T:
        """What ``send`` returns, called with the parts to leave out, and again after each rejection that teaches one.

        ``offered`` are the parts that the request has at all. A lesson is kept only once a request without the part
        was taken: rejections quote prompts, which may hold any word. A fault of the server teaches the same where it was
        seen several times, for it may be chance. Raises what ``send`` raises, MalformedError where the server says that
        its model missed the form.
        """
        parts = frozenset(offered)
        if not self._is_new(parts):
            return await self._spoken(send, parts)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._probe.acquire()
        except TimeoutError:  # a slow server holds nobody up for longer
            return await self._spoken(send, parts)
        try:
            if self._is_new(parts):
                return await self._spoken(send, parts)
        finally:
            self._probe.release()
        return await self._spoken(send, parts)

    def _is_new(self, parts: frozenset[str]) -> bool:
        return self._probing and not parts <= self._taken | self.without

    async def _spoken(self, send: Callable[[frozenset[str]], Awaitable[T]], parts: frozenset[str]) -> T:
        without, told = self.without, dict[str, RejectionError | FaultError]()
        while True:
            try:
                answer = await send(without)
            except (RejectionError, FaultError) as error:
                form = self._missed_form(error.said, parts - without)
                if form is not None:
                    self.missed(form, str(error))
                    raise MalformedError(str(error), limits=error.limits) from None
                lesson = self.lesson(error.said, parts - without)
                if lesson is None:
                    raise
                without |= {lesson}
                told[lesson] = error
            else:
                for part, heard in told.items():
                    if isinstance(heard, RejectionError):
                        self.drop(part, str(heard))
                    else:
                        self._chance("fault", part, str(heard))
                for part in parts - without:
                    del self._chances["fault"][part]
                self._taken |= parts - without
                self._remember()
                return answer

    def _missed_form(self, said: str, parts: Collection[str]) -> str | None:
        """The part that is the form, where a rejection says that the model missed it."""
        return self._form if self._form in parts and _MISS.search(said) is not None else None

    def _chance(self, kind: str, part: str, said: str) -> None:
        seen = self._chances[kind]
        seen[part] += 1
        if part in self.without or seen[part] >= ENOUGH:
            self.drop(part, said, seen.pop(part))

    def _remember(self) -> None:
        if self._memory is not None:
            for part, (said, times) in sorted(self._evidence.items()):
                self._memory.remember(part, said=said, times=times)
        self._evidence.clear()


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
