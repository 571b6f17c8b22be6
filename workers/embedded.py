"""A Celery worker in a thread of this process: the same app and task as a fleet's, with an in-memory broker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

from labeler.settings import Settings
from labeler.workers.app import Sweeper, make_app, ring


@contextmanager
def embedded_worker(settings: Settings, run_id: str) -> Iterator[Celery]:
    """A worker of one run while the context lasts; at its end what is in flight is given back.

    It leaves other runs alone: whoever looks at one of them did not ask for money to be spent on another.
    """
    logging.getLogger("celery").setLevel(logging.ERROR)
    app = make_app(settings, run_ids=[run_id])
    app.set_default()  # a task runs in a pool's thread, which asks for the process's app
    worker = app.WorkController(
        pool="threads", concurrency=1, loglevel="ERROR", without_mingle=True, without_gossip=True
    )
    thread = threading.Thread(target=worker.start, name="worker", daemon=True)
    sweeper = Sweeper(app, settings)
    thread.start()
    ring(app)
    sweeper.start()
    try:
        yield app
    finally:
        sweeper.stop()
        app.stretch.stop()
        worker.stop()
        thread.join(timeout=30)
