"""What is needed to work on the features of one run: evidence, explainers, simulators, and the models behind them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

from labeler.catalogue.records import RunRecord
from labeler.errors import InputError
from labeler.evidence.store.store import EvidenceStore
from labeler.explainers import Explainer, open_explainer, parse_explainer
from labeler.explainers.lexical import background_of
from labeler.home import open_store
from labeler.llm.calls import NullAccount, at_once
from labeler.llm.concurrency import Traffic, open_traffic
from labeler.llm.endpoints import undated
from labeler.llm.names import LLMName, is_hosted, open_backend
from labeler.llm.prices import BATCH_SHARE, load_facts
from labeler.llm.protocol import Account, Address, Backend, Recorder, Usage
from labeler.llm.providers.offline import open_offline
from labeler.pipeline.config import RunConfig
from labeler.pipeline.ledger import TakeTurn
from labeler.prompts import Prompt, custom_prompt, load_prompt
from labeler.scorers import Judge, open_judge, parse_scorer
from labeler.settings import Settings
from labeler.simulators import Simulator, open_simulator, parse_simulator


class Backends:
    """Language models by name, each opened once, and the traffic to them; all belong to one event loop."""

    def __init__(self, settings: Settings) -> None:
        """Raises InputError where what the settings say of models is malformed."""
        self._settings = settings
        self._facts = load_facts(settings)
        self._open: dict[tuple[str, bool], Backend] = {}
        self._traffic: dict[Address, Traffic] = {}

    def __call__(self, name: str, *, offline: bool = False) -> Backend:
        """The backend of this name; InputError where it cannot be opened.

        ``offline``, a hosted model is not reached at all: its requests are only put down.
        """
        offline = offline and is_hosted(name)
        if (name, offline) not in self._open:
            opener: Callable[[str, Settings], Backend] = open_offline if offline else open_backend
            self._open[name, offline] = opener(name, self._settings)
        return self._open[name, offline]

    def turn(self, name: str) -> TakeTurn:
        """How a call of a model waits for its turn; those of a model in this process wait for nobody."""
        if not is_hosted(name):
            return at_once
        address = self(name).address
        address = dataclasses.replace(address, model=undated(address.model))
        if address not in self._traffic:
            given = self._facts.limits(name)
            broker = self._settings.broker_url
            # Providers count the calls of a model and of its snapshots together.
            identity = f"{address.provider} {address.base_url} {undated(address.model)}"
            with self._settings.blaming("broker_url"):
                self._traffic[address] = open_traffic(given, broker.get_secret_value() if broker else None, identity)
        return self._traffic[address].turn

    def price(self, name: str, usage: Usage, *, batch: bool = False) -> float | None:
        """US dollars for a model's tokens; None where nobody knows."""
        parsed = LLMName.parse(name)
        gateway = self._settings.openai_base_url if parsed.provider == "openai" else None
        usd = self._facts.prices(parsed, usage, base_url=parsed.base_url or gateway)
        return usd * BATCH_SHARE if batch and usd is not None else usd

    async def close(self) -> None:
        """Give back every connection."""
        for backend in self._open.values():
            await backend.close()
        for traffic in self._traffic.values():
            await traffic.close()
        self._open.clear()
        self._traffic.clear()


class Bench:
    """The tools of one run; cheap to make, for models and evidence are shared."""

    def __init__(self, config: RunConfig, store: EvidenceStore, backends: Backends) -> None:
        self.config = config
        self.store = store
        self.backends = backends

    @functools.cached_property
    def background(self) -> Mapping[str, float]:
        """The share of the explain split's contexts that hold each word stem; uniform contexts, whatever fires."""
        return background(self.store.whole)

    def check(self) -> None:
        """Open every tool once, without using it; InputError where one cannot be had (a key, an extra is missing)."""
        self.explainers(unkept)
        self.stronger(unkept)
        self.simulators(unkept)
        self.judges(unkept)
        self.selector(unkept)

    def explainers(self, recorder: Recorder) -> list[Explainer]:
        """The run's explainers; their calls go to ``recorder``."""
        return [self._explainer(name, recorder) for name in self.config.explainers]

    def stronger(self, recorder: Recorder) -> list[Explainer]:
        """The explainer that is asked about what the others left unclear, where the run has one."""
        return [self._explainer(self.config.escalate, recorder)] if self.config.escalate else []

    def simulators(self, recorder: Recorder) -> list[Simulator]:
        """The run's simulators, the headline's first."""
        return [self._simulator(name, recorder) for name in self.config.simulators]

    def judges(self, recorder: Recorder) -> list[Judge]:
        """What judges the run's labels beside the simulators."""
        return [open_judge(parse_scorer(name), self.backend, recorder, self.prompt) for name in self.config.scorers]

    def selector(self, recorder: Recorder) -> Simulator:
        """What chooses between candidates."""
        return self._simulator(self.config.selector, recorder)

    def backend(self, name: str) -> Backend:
        """A language model as this run asks it."""
        return self.backends(name, offline=self.config.mode == "offline")

    def prompt(self, name: str) -> Prompt:
        """A prompt, the user's own where the run has one."""
        own = self.config.prompts.get(name)
        return load_prompt(name) if own is None else custom_prompt(name, own)

    def _explainer(self, name: str, recorder: Recorder) -> Explainer:
        return open_explainer(parse_explainer(name), self.backend, recorder, self.prompt)

    def _simulator(self, name: str, recorder: Recorder) -> Simulator:
        return open_simulator(parse_simulator(name), self.backend, recorder, self.prompt)


def open_bench(run: RunRecord, settings: Settings, backends: Backends) -> Bench:
    """The tools of a stored run; InputError where its evidence is not here, or was collected anew since."""
    with settings.blaming("dictionaries"):
        store = open_store(settings.shelf, run.dictionary)
    if store.manifest.fingerprint != run.config["evidence"]:
        raise InputError(
            f"run {run.id} was begun on other evidence of '{run.dictionary}' than is here now; "
            "bring that back, or start a new run"
        )
    return Bench(RunConfig.of(run.config), store, backends)


def unkept(backend: str, prompt: str) -> Account:
    """An account for tools that are opened but not used."""
    return NullAccount(prompt=prompt)


@functools.lru_cache(maxsize=4)
def background(store: EvidenceStore) -> Mapping[str, float]:
    """See ``Bench.background``."""
    return background_of(store.material(store.pool("explain")[:4000]).tokens())
