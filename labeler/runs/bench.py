"""What is needed to work on the features of one run: evidence, explainers, simulators, and the models behind them."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from labeler.catalogue.records import RunRecord
from labeler.errors import InputError
from labeler.evidence.store import EvidenceStore
from labeler.explain import Explainer, open_explainer, parse_explainer
from labeler.explain.lexical import background_of
from labeler.home import open_store
from labeler.judge import Judge, open_judge, parse_scorer
from labeler.llm.names import open_backend
from labeler.llm.protocol import Backend, Record, Recorder
from labeler.runs.config import RunConfig
from labeler.settings import Settings
from labeler.simulate import Simulator, open_simulator, parse_simulator


class Backends:
    """Language models by name, each opened once; all belong to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, Backend] = {}

    def __call__(self, name: str) -> Backend:
        """The backend of this name; InputError where it cannot be opened."""
        if name not in self._open:
            self._open[name] = open_backend(name, self._settings)
        return self._open[name]

    async def close(self) -> None:
        """Give back every connection."""
        for backend in self._open.values():
            await backend.close()
        self._open.clear()


class Bench:
    """The tools of one run; cheap to make, for models and evidence are shared."""

    def __init__(self, config: RunConfig, store: EvidenceStore, backends: Backends) -> None:
        self.config = config
        self.store = store
        self._backends = backends

    @functools.cached_property
    def background(self) -> Mapping[str, float]:
        """The share of the explain split's contexts that hold each word stem; uniform contexts, whatever fires."""
        return background(self.store)

    def check(self) -> None:
        """Open every tool once, without using it; InputError where one cannot be had (a key, an extra is missing)."""
        self.explainers(unrecorded)
        self.simulators(unrecorded)
        self.judges(unrecorded)
        self.selector(unrecorded)

    def explainers(self, recorder: Recorder) -> list[Explainer]:
        """The run's explainers; their calls go to ``recorder``."""
        return [open_explainer(parse_explainer(name), self._backends, recorder) for name in self.config.explainers]

    def simulators(self, recorder: Recorder) -> list[Simulator]:
        """The run's simulators, the headline's first."""
        return [open_simulator(parse_simulator(name), self._backends, recorder) for name in self.config.simulators]

    def judges(self, recorder: Recorder) -> list[Judge]:
        """What judges the run's labels beside the simulators."""
        return [open_judge(parse_scorer(name), self._backends, recorder) for name in self.config.scorers]

    def selector(self, recorder: Recorder) -> Simulator:
        """What chooses between candidates."""
        return open_simulator(parse_simulator(self.config.selector), self._backends, recorder)


def open_bench(run: RunRecord, settings: Settings, backends: Backends) -> Bench:
    """The tools of a stored run; InputError where its evidence is not here, or was collected anew since."""
    store = open_store(settings.shelf, run.dictionary)
    if store.manifest.fingerprint != run.config["evidence"]:
        raise InputError(
            f"run {run.id} was begun on other evidence of '{run.dictionary}' than is here now; "
            "bring that back, or start a new run"
        )
    return Bench(RunConfig.of(run.config), store, backends)


def unrecorded(backend: str, prompt: str) -> Record:
    """A recorder for tools that are opened but not used."""
    return lambda usage, outcome: None


@functools.lru_cache(maxsize=4)
def background(store: EvidenceStore) -> Mapping[str, float]:
    """See ``Bench.background``."""
    return background_of(store.material(store.pool("explain")[:4000]).tokens())
