"""What would be asked about a feature: the very requests, and nothing sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from labeler.errors import InputError
from labeler.evidence.near_misses import evidence_with_near_misses
from labeler.evidence.store.store import EvidenceStore
from labeler.explainers import Explainer, parse_explainer
from labeler.explainers.lexical import LexicalExplainer
from labeler.features import Explanation
from labeler.llm.calls import NullAccount
from labeler.llm.names import is_hosted
from labeler.llm.protocol import Account, PendingError, PendingRequest, Request
from labeler.pipeline.bench import Backends, Bench
from labeler.pipeline.config import STANDING, RunConfig
from labeler.pipeline.cross_fitting import halves
from labeler.pipeline.evaluation import judge as judged
from labeler.pipeline.scoring import score, whole
from labeler.scorers import Judge, parse_scorer
from labeler.settings import Settings
from labeler.simulators import Simulator, parse_simulator


def hosted(config: RunConfig) -> list[str]:
    """The models of a run that run elsewhere, each once."""
    methods = [
        *map(parse_explainer, config.explains_with),
        *map(parse_simulator, config.simulators),
        *map(parse_scorer, config.scorers),
    ]
    return list(dict.fromkeys(method.llm for method in methods if method.llm and is_hosted(method.llm)))


def check_prices(config: RunConfig, backends: Backends) -> None:
    """InputError where a budget is to be kept and nobody knows what a model costs."""
    if config.mode == "offline":
        raise InputError("a budget cannot be kept for answers that others get; leave out `budget`, or `mode='offline'`")
    for name in hosted(config):
        if backends(name).bound(Request(prompt="")).usd is None:
            raise InputError(f"a budget needs the price of {name}, which is not known; put it in LABELER_PRICES")


def keyless(settings: Settings) -> Settings:
    """The same settings for looking at requests that are not sent: a missing key is no reason not to."""
    unset = [name for name in ("anthropic_api_key", "openai_api_key") if getattr(settings, name) is None]
    return settings.model_copy(update=dict.fromkeys(unset, SecretStr("no-key-is-used")))


STAGES = ("explain", "simulate", "judge")


def rehearsing(backend: str, prompt: str) -> Account:
    """An account in whose name nothing is asked: the first questions come out as a PendingError."""
    return NullAccount(prompt=prompt, deferred=True)


async def of_explainer(bench: Bench, explainer: Explainer, index: int) -> list[PendingRequest]:
    """What an explainer, opened with ``rehearsing``, would ask; nothing of one that asks nobody."""
    stores = [bench.store, *(fold.store for fold in await _parts(bench, index) if fold is not bench)]
    found: list[PendingRequest] = []
    for store in stores:
        evidence = await asyncio.to_thread(evidence_with_near_misses, store, index)
        background = await asyncio.to_thread(lambda: bench.background)
        found += await _asked(explainer.explain(evidence, background, bench.config.seed))
    return found


async def of_simulator(bench: Bench, simulator: Simulator, index: int, text: str) -> list[PendingRequest]:
    """What a simulator would ask about an explanation, up to where it first looks at the answers."""
    found: list[PendingRequest] = []
    for part in await _parts(bench, index):
        everything = await asyncio.to_thread(whole, part.store, index, "score")
        on_select = await asyncio.to_thread(whole, part.store, index, "select")
        found += await _asked(score(simulator, text, index, everything, on_select, bench.config))
    return found


async def of_all_contexts(bench: Bench, simulator: Simulator, index: int, text: str) -> list[PendingRequest]:
    """What it would ask where it has to see all of the run's contexts, put as if at its first look."""
    doubled = Bench(replace(bench.config, contexts=2 * bench.config.contexts), bench.store, bench.backends)
    return await of_simulator(doubled, simulator, index, text)


async def of_judge(bench: Bench, judge: Judge, index: int, text: str) -> list[PendingRequest]:
    """What a judge would ask about an explanation."""
    found: list[PendingRequest] = []
    for part in await _parts(bench, index):
        found += await _asked(judged(judge, text, part.store, index, bench.config))
    return found


async def _parts(bench: Bench, index: int) -> Sequence[Bench]:
    """What a label is scored with: the run's tools, or those of both halves."""
    by_halves = bench.config.labels in (None, STANDING) and await asyncio.to_thread(bench.store.halves, index)
    return halves(bench) if by_halves else (bench,)


async def stand_in(bench: Bench, index: int) -> str:
    """A label to rehearse with where there is none: what token statistics say."""
    evidence = await asyncio.to_thread(bench.store.evidence, index)
    background = await asyncio.to_thread(lambda: bench.background)
    found: Sequence[Explanation] = await LexicalExplainer().explain(evidence, background, bench.config.seed)
    return found[0].text if found else ""


async def _asked(work: Coroutine[Any, Any, object]) -> list[PendingRequest]:
    try:
        await work
    except PendingError as error:
        return list(error.requests)
    return []


async def requests_of(
    config: RunConfig, store: EvidenceStore, settings: Settings, index: int, stage: str, text: str | None = None
) -> list[PendingRequest]:
    """What a stage of a run would ask about a feature; no key is needed for it.

    What is simulated or judged is ``text``, or a stand-in. Raises what the run itself would raise, but for a missing key.
    """
    backends = Backends(keyless(settings))
    try:
        bench = Bench(config, store, backends)
        found: list[PendingRequest] = []
        if stage == "explain":
            for explainer in [*bench.explainers(rehearsing), *bench.stronger(rehearsing)]:
                found += await of_explainer(bench, explainer, index)
            return found
        text = text or await stand_in(bench, index)
        for simulator in bench.simulators(rehearsing) if stage == "simulate" else ():
            found += await of_simulator(bench, simulator, index, text)
        for judge in bench.judges(rehearsing) if stage == "judge" else ():
            found += await of_judge(bench, judge, index, text)
        return found
    finally:
        await backends.close()
