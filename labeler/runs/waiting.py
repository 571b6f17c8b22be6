"""Waiting for a run that others work on."""

from __future__ import annotations

import time
from collections.abc import Callable

from labeler.catalogue.records import Progress
from labeler.catalogue.repository import Catalogue
from labeler.runs.config import RunConfig

INTERVAL = 0.3


def wait(catalogue: Catalogue, run_id: str, watch: Callable[[Progress], None] | None = None) -> Progress:
    """Look at a run until it is finished, cancelled or paused, telling ``watch`` each time; returns the last look.

    A run whose answers come through files is looked at until it can do no more without them.
    """
    offline = RunConfig.of(catalogue.run(run_id).config).mode == "offline"
    while True:
        state = catalogue.run(run_id).state
        stuck = offline and catalogue.settled_down(run_id)
        progress = catalogue.progress(run_id)
        if watch is not None:
            watch(progress)
        if state != "running" or stuck:
            return progress
        time.sleep(INTERVAL)
