"""How long work tells whoever waits where it is.

A function that is called with a ``progress`` calls it. What runs deep inside other work, or in a worker's thread, where no
caller can hand one in (a model is loaded, words are encoded), calls ``tell``; whoever waits in this process wraps the
waiting in ``listening``. Both take the same four things::

    for start in range(0, len(words), BATCH):
        tell("encoding words", start, len(words), "words")
        ...  # a batch: a second at most on a slow machine
    tell("encoding words", len(words), len(words), "words")

The stage's name says what is done, in words for the user, and is the same from its first call to its last; ``done`` starts
at what was there already and ends at ``total``. Both are cheap: call them every batch, for whoever shows it thins it out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

STALE = 30.0
"""Seconds after which what was told of an endless stage is no news any more."""


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The work that tells is wanted no more; nothing is wrong with it."""


class Progress(Protocol):
    """Called now and then with a stage of the work and how far it has come."""

    def __call__(self, stage: str, done: int, total: int | None, unit: str = "") -> None:
        """``total`` is None where nobody knows; ``unit`` names what is counted; ``done == total`` ends the stage."""
        ...


def silent(stage: str, done: int, total: int | None, unit: str = "") -> None:
    """For whoever does not want to know."""


def tell(stage: str, done: int, total: int | None, unit: str = "") -> None:
    """Progress for everybody who listens in this process, from any thread; nothing where nobody does.

    Raises Stopped where there is more to do that is not wanted.
    """
    if done != total and _UNWANTED.get()():
        raise Stopped
    for listener in _LISTENERS:
        listener(stage, done, total, unit)


@contextmanager
def listening(listener: Progress) -> Iterator[None]:
    """Hear what any thread of this process tells, while the context lasts; the listener is called from that thread."""
    global _LISTENERS
    with _LOCK:
        _LISTENERS = (*_LISTENERS, listener)
    try:
        yield
    finally:
        with _LOCK:
            at = next(i for i, one in enumerate(_LISTENERS) if one is listener)
            _LISTENERS = (*_LISTENERS[:at], *_LISTENERS[at + 1 :])


@contextmanager
def wanted_until(unwanted: Callable[[], bool]) -> Iterator[None]:
    """Let what is begun meanwhile in this context (its tasks, and their threads) stop as soon as this says so."""
    token = _UNWANTED.set(unwanted)
    try:
        yield
    finally:
        _UNWANTED.reset(token)


@contextmanager
def doing(stage: str) -> Iterator[None]:
    """Tell of a stage that cannot be counted: that it has begun, and that it is over."""
    tell(stage, 0, 1)
    try:
        yield
    finally:
        tell(stage, 1, 1)


@dataclass
class Stage:
    """How far a stage is, and how fast it moves: by what came since it was first heard of."""

    name: str
    first: int
    """What an earlier call had done; it came at once, and is no speed."""
    done: int = 0
    total: int | None = None
    unit: str = ""
    facts: Sequence[str] = ()
    """What else there is to say, what matters most first."""
    aside: bool = False
    """Whether it tells only what another is waiting for."""
    written: bool = False
    """Whether a line has told of it."""
    began: float = field(default_factory=lambda: time.monotonic())
    heard: float = field(default_factory=lambda: time.monotonic())

    def hear(self, done: int, total: int | None, unit: str, facts: Sequence[str], aside: bool) -> None:
        """Takes in how far it is now."""
        self.done, self.total, self.unit, self.facts, self.aside = done, total, unit, facts, aside
        self.heard = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether all of it is done."""
        return self.done == self.total

    @property
    def news(self) -> bool:
        """Whether it is what is being done now, as far as anybody told."""
        return not self.over and (self.total is not None or time.monotonic() - self.heard < STALE)

    @property
    def countable(self) -> bool:
        """Whether it can be more than begun or over."""
        return bool(self.unit) or self.total != 1

    @property
    def count(self) -> str:
        """How much is done, of how much."""
        if not self.countable:
            return ""
        total = f"/{self.total:,}" if self.total else ""
        return f"{min(self.done, self.total or self.done):,}{total}"

    @property
    def rate(self) -> float:
        """Units a second; 0 where nobody can say yet."""
        seconds = time.monotonic() - self.began
        return (self.done - self.first) / seconds if self.done > self.first and seconds > 0.5 else 0.0

    @property
    def speed(self) -> str:
        """The rate in words."""
        digits = 0 if self.rate >= 10 else 1 if self.rate >= 1 else 2
        return f"{self.rate:,.{digits}f} {self.unit}/s" if self.rate and self.unit else ""

    @property
    def left(self) -> str:
        """The time that is left, as minutes and seconds; nothing where it cannot be said."""
        if not self.total or not self.countable or self.over:
            return ""
        seconds = int((self.total - self.done) / self.rate) if self.rate else None
        return "left " + ("-:--" if seconds is None else f"{max(seconds, 0) // 60}:{max(seconds, 0) % 60:02d}")

    def __str__(self) -> str:
        since = f"{time.monotonic() - self.began:.0f} s"
        facts = (
            (f"{self.count} {self.unit}".strip(), self.speed, *self.facts, self.left) if self.countable else (since,)
        )
        return f"{self.name}: " + "  ".join(filter(None, facts))


_UNWANTED: ContextVar[Callable[[], bool]] = ContextVar("unwanted", default=lambda: False)
_LOCK = threading.Lock()
_LISTENERS: tuple[Progress, ...] = ()
