"""The Celery app. The database is the truth; a message is a doorbell and carries nothing."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence

from celery import Celery, signals

from labeler.catalogue.repository import Catalogue
from labeler.errors import InputError
from labeler.settings import Settings
from labeler.workers.stretch import Stretch

QUEUE = "labeler"
DRAIN = "labeler.drain"

SWEEP_SECONDS = 3.0
"""How often a worker looks for work that nobody rang for: expired leases, lost messages."""

log = logging.getLogger(__name__)


def make_app(settings: Settings, queue: str = QUEUE, run_ids: Sequence[str] | None = None) -> Celery:
    """An app whose task ``labeler.drain`` works off whatever is claimable in the settings' database, or of some runs.

    Lost, late and doubled messages cost nothing: they are acknowledged on arrival, and every worker sweeps.
    """
    broker = settings.broker_url.get_secret_value() if settings.broker_url else "memory://localhost/"
    app = Celery("labeler", broker=broker)
    app.conf.update(
        task_default_queue=queue,
        task_ignore_result=True,
        worker_pool="threads",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=not settings.embedded,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"polling_interval": 0.1} if settings.embedded else {},
    )
    stretch = Stretch(settings, run_ids)
    app.stretch = stretch

    # Not shared: Celery would hand it to every other app of this process, and there it would drain for this one's stretch.
    @app.task(name=DRAIN, shared=False)  # type: ignore[untyped-decorator]
    def drain() -> None:
        if stretch.work():
            ring(app)

    return app


def reach(settings: Settings) -> None:
    """Connect to the broker once; InputError, without its password, where that fails."""
    url = settings.broker_url.get_secret_value() if settings.broker_url else ""
    shown = re.sub(r"//[^@/]*@", "//", url)
    try:
        with make_app(settings).connection_for_write(connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except Exception as error:  # kombu lets out whatever its transports raise, KeyError for one that it does not know
        raise InputError(
            f"cannot reach the broker {shown} of {settings.named('broker_url')} ({type(error).__name__}); "
            "start it, or unset the variable to work without one"
        ) from None


def ring(app: Celery) -> None:
    """Tell some worker that there is work."""
    app.send_task(DRAIN)


class Sweeper:
    """A thread that rings, now and every few seconds, where there is work that nobody is at."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sweep, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, at the latest after the look that is under way."""
        self._ended.set()

    def _sweep(self) -> None:
        catalogue = Catalogue(self._settings.database)
        while not self._ended.is_set():
            try:
                if self._app.stretch.wanted(catalogue):
                    ring(self._app)
            except Exception:  # a broker or database that is away for a while must not end the watch
                log.exception("sweeping")
            self._ended.wait(SWEEP_SECONDS)
        catalogue.close()


def serve(app: Celery, settings: Settings) -> None:
    """Run a worker in this process until it is told to stop; what is in flight then is given back."""
    sweeper = Sweeper(app, settings)

    def ready(**_: object) -> None:
        sweeper.start()

    def stopping(**_: object) -> None:
        sweeper.stop()
        app.stretch.stop()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    app.Worker(loglevel="INFO").start()
