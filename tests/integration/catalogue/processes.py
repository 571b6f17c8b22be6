"""Functions that run in processes of their own, all beginning at one moment."""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from labeler.catalogue import Catalogue

_start: Any = None


class Processes:
    """A few processes that start once, since starting them takes far longer than what they are asked to do."""

    def __init__(self, n: int) -> None:
        spawn = mp.get_context("spawn")
        self.n = n
        self._pool = ProcessPoolExecutor(n, mp_context=spawn, initializer=_remember, initargs=(spawn.Barrier(n),))

    def together(self, work: Callable[..., Any], *args: Any) -> list[Any]:
        """What ``work(*args)`` returned in each of the processes; its error is raised here."""
        futures = [self._pool.submit(_together, work, args) for _ in range(self.n)]
        return [future.result(timeout=120) for future in futures]

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown()


def open_catalogue(url: str) -> str:
    """Opens the catalogue, which brings its schema up to date."""
    Catalogue(url).close()
    return "opened"


def claim_all(url: str, now: float) -> list[int]:
    """Claims features a few at a time until there are none; their indices."""
    catalogue = Catalogue(url)
    indices: list[int] = []
    while claims := catalogue.claim(7, 60.0, now):
        indices += [claim.index for claim in claims]
    catalogue.close()
    return indices


def _remember(start: Any) -> None:
    global _start
    _start = start


def _together(work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    # Each process waits here with one task until all the others have theirs.
    _start.wait(timeout=100)
    return work(*args)
