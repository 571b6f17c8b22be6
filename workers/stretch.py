"""A stretch of work: what a rung doorbell starts in a worker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from labeler.catalogue.repository import Catalogue
from labeler.pipeline.worker_loop import Drain
from labeler.settings import Settings

SECONDS = 300.0
"""How long a stretch takes at most before another message may be answered."""


class Stretch:
    """Drains the catalogue in an event loop of its own; one at a time in a process."""

    def __init__(self, settings: Settings, run_ids: Sequence[str] | None = None) -> None:
        """``run_ids`` keeps it to some runs."""
        self._settings = settings
        self._run_ids = run_ids
        self._stopped = threading.Event()
        self._one = threading.Lock()
        self._catalogue: Catalogue | None = None

    @property
    def busy(self) -> bool:
        """Whether a stretch is under way."""
        return self._one.locked()

    def stop(self) -> None:
        """End the stretch under way, and start no other."""
        self._stopped.set()

    def work(self) -> bool:
        """Work off what is claimable; returns whether something may be left."""
        with self._one:
            if self._catalogue is None:
                self._catalogue = Catalogue(self._settings.database)
            ends = time.monotonic() + SECONDS

            def until() -> bool:
                return self._stopped.is_set() or time.monotonic() > ends

            asyncio.run(Drain(self._catalogue, self._settings, self._run_ids).run(until))
        return self.wanted(self._catalogue)

    def wanted(self, catalogue: Catalogue) -> bool:
        """Whether there is work that nobody here is at."""
        return not self._stopped.is_set() and not self.busy and catalogue.claimable(time.time(), self._run_ids)
