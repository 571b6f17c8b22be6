"""``labeler worker``"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from labeler.errors import InputError


def worker(queue: Annotated[str, typer.Option(help="The queue to listen on.")] = "labeler") -> None:
    """A worker of the fleet: takes features of any run in the database until it is stopped."""
    from labeler import api
    from labeler.workers.app import make_app, serve

    chosen = api.settings()
    if chosen.embedded:
        raise InputError(
            "a worker of a fleet needs LABELER_BROKER_URL (redis://…); without it `labeler label` works alone"
        )
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it has a line for every call
    api.open_catalogue(chosen)  # a database that cannot be reached is told now, in one line
    api.check_broker(chosen)
    serve(make_app(chosen, queue), chosen)
