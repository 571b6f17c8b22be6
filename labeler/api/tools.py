"""What everything here is made with: settings, the catalogue, and looks at what a run will need."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from labeler.arguments import path_of
from labeler.settings import Settings, settings

# What a call needs is imported there: a look at a row should not have to wait for the SDKs of language models.
if TYPE_CHECKING:
    from labeler.catalogue.repository import Catalogue
    from labeler.pipeline.bench import Backends, Bench

T = TypeVar("T")


def check_tools(open_it: Callable[[Backends], Bench], chosen: Settings, budget: float | None = None) -> None:
    """Open every tool of a run once, and close it: a missing key is told now, not by a thousand failed features.

    So is a model whose price nobody knows, where there is a budget to be kept.
    """

    from labeler.pipeline.bench import Backends
    from labeler.pipeline.dry_run import check_prices

    async def check() -> None:
        backends = Backends(chosen)
        try:
            bench = open_it(backends)
            bench.check()
            if budget is not None:
                check_prices(bench.config, backends)
        finally:
            await backends.close()

    asyncio_run(check())


def asyncio_run(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run in a thread of its own: the caller (a notebook, say) may have a running loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def check_broker(chosen: Settings) -> None:
    """InputError, without the password, where a broker is named that cannot be reached; nothing is stored before."""
    if chosen.embedded:
        return
    from labeler.workers.app import reach

    reach(chosen)


def open_catalogue(chosen: Settings) -> Catalogue:
    """The catalogue of these settings, one for each database in a process."""
    from labeler.catalogue.repository import Catalogue

    place = chosen.database
    if (os.getpid(), place) not in _CATALOGUES:
        with chosen.blaming("home" if isinstance(place, Path) else "database_url"):
            _CATALOGUES[os.getpid(), place] = Catalogue(place)
    return _CATALOGUES[os.getpid(), place]


def has_catalogue(chosen: Settings) -> bool:
    """Whether there is a catalogue to look into, as far as that can be told without making one: to open it does."""
    place = chosen.database
    if isinstance(place, str) and not place.startswith("sqlite:///"):
        return True
    return Path(place.removeprefix("sqlite:///").partition("?")[0] if isinstance(place, str) else place).exists()


_CATALOGUES: dict[tuple[int, str | Path], Catalogue] = {}


def settings_of(home: str | Path | None) -> Settings:
    """The settings, with another home where one is given."""
    return settings() if home is None else settings().at(path_of(home, "home"))
