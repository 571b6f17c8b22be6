"""Waiting for a run that others work on."""

from __future__ import annotations

import time
from collections.abc import Callable

from labeler.catalogue.records import Progress
from labeler.catalogue.repository import Catalogue

INTERVAL = 0.3


def wait(catalogue: Catalogue, run_id: str, watch: Callable[[Progress], None] | None = None) -> Progress:
    """Look at a run until it is finished or cancelled, telling ``watch`` each time; returns the last look."""
    while True:
        state = catalogue.run(run_id).state
        progress = catalogue.progress(run_id)
        if watch is not None:
            watch(progress)
        if state != "running":
            return progress
        time.sleep(INTERVAL)
