"""``python -m eval.bench supply``: many features, several workers, a provider with every fault; and whose money it was.

Nothing may be lost, no budget overshot, and what the provider billed beyond what was recorded must be covered by the
calls whose outcome nobody knows. In batches the same labels have to come out at half the price.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from eval import results
from eval.bench.parts import written
from eval.provider import Knobs, Provider
from labeler import api
from labeler.evidence.collect.compaction import Building
from labeler.evidence.neighbours import Pairs
from labeler.evidence.store.contexts import Contexts
from labeler.home import open_store
from labeler.options import Mode, Options
from labeler.settings import Settings

LENGTH = 32
PRICE = {"input": 1.0, "cached": 0.1, "output": 5.0}
"""US dollars per million tokens."""

APIS = ("openai", "anthropic")


def word_pieces(n_features: int, tokens_a_feature: int, seed: int = 0) -> Iterator[tuple[Contexts, Pairs]]:
    """A language of so many words, each of which has the feature that fires on it."""
    rng = np.random.default_rng(seed)
    words = [f" w{at:05d}" for at in range(n_features)]
    n_contexts = n_features * tokens_a_feature // LENGTH
    for first in range(0, n_contexts, 512):
        n = min(512, n_contexts - first)
        ids = rng.integers(0, n_features, (n, LENGTH))
        table = Contexts.of(
            first=first,
            tokens=list(ids),
            ends=[np.arange(1, LENGTH + 1) * len(words[0])] * n,
            texts=["".join(words[at] for at in row) for row in ids],
            documents=[f"document {(first + at) // 4}" for at in range(n)],
            length=LENGTH,
        )
        # One place of a context and feature: what is active twice there is active once.
        place = np.arange(n * LENGTH)
        value = np.exp(rng.normal(np.log(4), 0.3, len(place))).astype(np.float16)
        yield table, Pairs.of_active(ids.ravel(), first + place // LENGTH, place % LENGTH, value)


def make_home(folder: Path, n_features: int) -> Path:
    """A home with a dictionary ``words``."""
    home = folder / "home"
    building = Building(folder / "parts", n_features)
    for contexts, pairs in word_pieces(n_features, 256):
        building.add(contexts, pairs)
    (home / "dictionaries").mkdir(parents=True)
    written(building, home / "dictionaries" / "words", n_features)
    return home


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fleet:
    """Workers on one database and one broker, and a provider of their models."""

    home: Path
    provider: Provider
    redis_url: str
    database_url: str | None = None

    @property
    def settings(self) -> Settings:
        """As the workers have them."""
        return Settings(
            _env_file=None,
            home=self.home,
            broker_url=self.redis_url,
            database_url=self.database_url,
            prices=self.prices,
        )

    @property
    def prices(self) -> Path:
        """What the provider takes, for a server on this machine would else cost nothing."""
        path = self.home / "prices.json"
        path.write_text(json.dumps({self.model(one): {**PRICE, "written": PRICE["input"]} for one in APIS}))
        return path

    def model(self, one: str) -> str:
        """The provider's model behind one of its two APIs."""
        return f"openai:m@{self.provider.url}/v1" if one == "openai" else f"anthropic:m@{self.provider.url}"

    def begin(self, one: str, mode: Mode, contexts: int, budget: float | None = None) -> api.Run:
        """A run over all features, explained and simulated through one API."""
        dictionary = api.Dictionary("words", open_store(self.settings.shelf, "words"), self.settings)
        config = dictionary._config(
            Options(explainers=self.model(one), simulators=(self.model(one), "lexical"), contexts=contexts, mode=mode)
        )
        # No sentence encoder: what is looked at here is calls and money.
        config = dataclasses.replace(config, guided=False, selector="lexical")
        return dictionary._begin(config, dictionary.store.indices.tolist(), budget=budget)

    @contextmanager
    def workers(self, n: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """So many worker processes; all are ended."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LABELER_", "OPENAI_", "ANTHROPIC_"))}
        environment |= {
            "LABELER_HOME": str(self.home),
            "LABELER_BROKER_URL": self.redis_url,
            "LABELER_PRICES": str(self.prices),
            "OMP_NUM_THREADS": "1",
        }
        if self.database_url is not None:
            environment["LABELER_DATABASE_URL"] = self.database_url
        log = (self.home / "workers.log").open("ab")
        started = [self._worker(environment, log) for _ in range(n)]
        try:
            yield started
        finally:
            for worker in started:
                if worker.poll() is None:
                    worker.kill()
                worker.wait()
            log.close()

    def _worker(self, environment: dict[str, str], log: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "labeler", "worker"]
        return subprocess.Popen(command, env=environment, cwd=self.home, stdout=log, stderr=log)


def wait_for(run: api.Run, states: Sequence[str], seconds: float) -> str:
    """The state in which a run came to rest; TimeoutError where it did not."""
    ends = time.monotonic() + seconds
    while (state := run.record.state) not in states:
        if time.monotonic() > ends:
            raise TimeoutError(f"run {run.id} is still {state}: {run.progress()}")
        time.sleep(0.2)
    return state


def books(run: api.Run, provider: Provider) -> dict[str, Any]:
    """What the provider billed since it was reset, beside what the run has put down."""
    billed, progress = provider.totals(), run.progress()
    rows = list(run.rows())
    return {
        "rows": len(rows),
        "twice": len(rows) - len({row["index"] for row in rows}),
        "states": dict(Counter(row["state"] for row in rows)),
        "billed_usd": billed.usd,
        "billed_calls": billed.calls,
        "recorded_usd": progress.usd,
        "recorded_calls": progress.calls,
        "unknown_calls": progress.unknown_calls,
        "unknown_usd": progress.unknown_usd,
        "rebought": billed.rebought,
        "said": dict(provider.said),
        "covered": billed.usd - progress.usd <= progress.unknown_usd + 1e-9 and billed.usd >= progress.usd - 1e-9,
    }


def chaos(folder: Path, redis_url: str, n_features: int, database_url: str | None = None) -> dict[str, Any]:
    """A run with a fault in every fifth call, four workers, one of them killed on the way."""
    home = make_home(folder, n_features)
    began = time.monotonic()
    with Provider(Knobs.faults(0.2, hang_seconds=1.0)) as provider:
        fleet = Fleet(home=home, provider=provider, redis_url=redis_url, database_url=database_url)
        run = fleet.begin("openai", "direct", contexts=20)
        with fleet.workers(4) as workers:
            while run.progress().done + run.progress().in_control < n_features // 4:
                time.sleep(0.2)
            workers[0].send_signal(signal.SIGKILL)
            wait_for(run, ["finished"], 3_600)
        return {**books(run, provider), "seconds": round(time.monotonic() - began)}


def broke(folder: Path, redis_url: str, usd: float, n_features: int, database_url: str | None = None) -> dict[str, Any]:
    """The same with a budget that cannot last."""
    home = make_home(folder, n_features)
    with Provider(Knobs.faults(0.2, hang_seconds=1.0)) as provider:
        fleet = Fleet(home=home, provider=provider, redis_url=redis_url, database_url=database_url)
        run = fleet.begin("openai", "direct", contexts=20, budget=usd)
        with fleet.workers(4):
            state = wait_for(run, ["paused", "finished"], 3_600)
            time.sleep(1.0)  # for whoever has not heard of it yet
        return {**books(run, provider), "state": state, "budget_usd": usd, "committed_usd": run.record.committed_usd}


def main(
    features: Annotated[int, typer.Option(help="How many features.")] = 1_000,
    redis: Annotated[str, typer.Option(help="A Redis that may be used.")] = "redis://127.0.0.1:6379/9",
    save: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Runs under faults and under a budget, against a provider that counts what it bills."""
    with tempfile.TemporaryDirectory() as folder:
        faults = chaos(Path(folder) / "faults", redis, features)
        print(json.dumps({"faults": faults}, indent=1))
        budget = broke(Path(folder) / "budget", redis, faults["billed_usd"] / 2, features)
        print(json.dumps({"budget": budget}, indent=1))
    if save:
        results.save("supply", {"features": features, "faults": faults, "budget": budget})


def readme_table() -> str:
    """The figures that were saved, as the README shows them."""
    found = results.load("supply")
    lines = [
        "| four workers, a fault in every fifth call | features with a row | billed | recorded | of unknown outcome, at most |",
        "|---|---|---|---|---|",
    ]
    budget = f"budget of ${found['budget']['budget_usd']:.2f}"
    for what, part in (("no budget, one worker killed", found["faults"]), (budget, found["budget"])):
        cells = [
            f"{part['rows']:,}",
            f"${part['billed_usd']:.2f}",
            f"${part['recorded_usd']:.2f}",
            f"${part['unknown_usd']:.2f}",
        ]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    again = found["faults"]["rebought"]
    tail = f"None of {found['features']:,} features was lost or came twice; {again} answers that had arrived were bought again."
    return "\n".join([*lines, "", f"{tail} Taken on {found['machine']}."])
