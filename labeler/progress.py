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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


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


_UNWANTED: ContextVar[Callable[[], bool]] = ContextVar("unwanted", default=lambda: False)
_LOCK = threading.Lock()
_LISTENERS: tuple[Progress, ...] = ()
