"""A dictionary whose models cost money, though they are on this machine, and workers for its runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from eval.provider import Provider
from labeler import api
from labeler.catalogue.records import Claim
from labeler.catalogue.repository import Catalogue
from labeler.home import open_store
from labeler.pipeline.worker_loop import Drain
from labeler.settings import Settings
from tests.fakes.evidence import WORDS, make_store, on

RULES = tuple(on(word) for word in dict.fromkeys(WORDS))
"""A feature for each word of the toy language."""


class PricedHome:
    """The first ``n`` of RULES as the dictionary ``toy``, on so many contexts, ten a document."""

    def __init__(self, folder: Path, url: str, provider: Provider, n: int, contexts: int = 600) -> None:
        self.model = f"openai:m@{provider.url}/v1"
        make_store(folder, rules=RULES[:n], n=contexts)
        prices = folder / "prices.json"
        prices.write_text(json.dumps({self.model: {"input": 1.0, "cached": 0.1, "output": 5.0}}))
        self.settings = Settings(_env_file=None, home=folder, database_url=url, prices=prices)
        self.dictionary = api.Dictionary("toy", open_store(self.settings.shelf, "toy"), self.settings)
        self.asked: dict[str, Any] = {
            "explainers": [self.model],
            "simulators": [self.model, "lexical"],
            "contexts": 30,
        }

    def label(self, **options: Any) -> api.Run:
        """A run over all features."""
        return self.dictionary.label(**self.asked, **options)

    def claims(self, run: api.Run) -> list[Claim]:
        """What a worker takes up at first; nothing comes of it."""
        catalogue = Catalogue(self.settings.database)
        try:
            return catalogue.claim(64, 30.0, 0.0, [run.id])
        finally:
            catalogue.close()

    def work(self, run: api.Run, workers: int = 1) -> None:
        """Until it is finished or paused; by so many workers, as if each were in a process of its own."""
        catalogues = [Catalogue(self.settings.database) for _ in range(workers)]

        def over() -> bool:
            return run.record.state != "running"

        async def together() -> None:
            while not over():
                await asyncio.gather(*(Drain(one, self.settings, [run.id]).run(over) for one in catalogues))

        asyncio.run(together())
        for one in catalogues:
            one.close()
