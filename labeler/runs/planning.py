"""What a run would take, before a cent is spent: calls, tokens, dollars and hours, from the requests of a sample."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from labeler.errors import InputError
from labeler.evidence.store import EvidenceStore
from labeler.llm.bodies import text_of
from labeler.llm.facts import load_facts
from labeler.llm.limits import a_minute
from labeler.llm.protocol import PendingRequest, Usage
from labeler.models.counting import count_tokens
from labeler.runs.bench import Backends, Bench
from labeler.runs.config import NULL_FEATURES, RunConfig, new_run
from labeler.runs.drain import IN_FLIGHT
from labeler.runs.money import keyless
from labeler.runs.rehearsal import of_all_contexts, of_explainer, of_judge, of_simulator, rehearsing, stand_in
from labeler.settings import Settings

SAMPLE = 24
"""Features whose requests are made."""

CALL_SECONDS = (1.0, 3.0, 10.0)
"""How long a call takes: quick, usual, slow."""
BATCH_HOURS = (0.1, 1.0, 24.0)
"""The same for a batch; providers promise a day."""
ANSWERED_SHARE = (0.08, 0.2, 0.5)
"""What answers take of the room that they have, where none of the kind was ever paid for here."""
ESCALATED_SHARE = (0.0, 0.35, 1.0)
"""How many features go to the stronger explainer."""

Z = 1.96


@dataclass(frozen=True)
class Span:
    """A number with an interval."""

    low: float = 0.0
    mid: float = 0.0
    high: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def times(self, low: float, mid: float, high: float) -> Span:
        """Each end by its own factor."""
        return Span(self.low * low, self.mid * mid, self.high * high)


NOTHING = Span()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one way of labelling would take."""

    explainer: str
    mode: Literal["direct", "batch"]
    features: int
    """Those that would be asked about; dead and skipped ones are not."""
    sampled: int
    calls: Span = NOTHING
    input_tokens: Span = NOTHING
    output_tokens: Span = NOTHING
    usd: Span | None = NOTHING
    """None where a model has no known price."""
    hours: Span = NOTHING
    unpriced: Sequence[str] = field(default_factory=tuple)
    """The models without a price."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One stage of the work on the sample: what each of its features would be asked."""

    backend: str
    share: tuple[float, float, float]
    """How much of it every feature of the run brings: at least, probably, at most."""
    requests: Sequence[Sequence[PendingRequest]]
    """Of each sampled feature."""
    rounds: int = 1
    """How often the work has to wait for answers, where they come in batches."""


Price = Callable[[str, Usage], float | None]
"""US dollars for tokens of a model, None where nobody knows."""

Answered = Callable[[str, str], float | None]
"""The tokens of an answer of a model to a prompt, by what was paid for before; None where nothing was."""


async def plans(
    config: RunConfig,
    store: EvidenceStore,
    settings: Settings,
    features: Sequence[int],
    answered: Answered,
    *,
    batch: bool,
) -> list[Plan]:
    """What each explainer's way of a run would take, asked call by call and, with ``batch``, in batches too.

    Nothing is sent, and no key is needed. Raises InputError where none of the features would be asked about.
    """
    live = [one.index for one in new_run(config, store, features).features if one.state is None]
    if not live:
        raise InputError("none of these features would be asked about: all are dead or skipped")
    facts = load_facts(settings)
    backends = Backends(keyless(settings))
    modes: tuple[Literal["direct", "batch"], ...] = ("direct", "batch") if batch else ("direct",)
    try:
        stages, seconds = await rehearse(Bench(config, store, backends), sample_of(live, config.seed), len(live))
        return [
            planned(
                explainer,
                mode,
                asked,
                features=len(live),
                price=partial(backends.price, batch=mode == "batch"),
                answered=answered,
                seconds=seconds,
                a_minute=lambda name: a_minute(facts.limits(name)),
            )
            for explainer, asked in stages.items()
            for mode in modes
        ]
    finally:
        await backends.close()


async def rehearse(bench: Bench, sample: Sequence[int], live: int) -> tuple[Mapping[str, list[Asked]], float]:
    """What each explainer's way would ask about the sample, and the seconds that a feature takes here besides.

    Simulators look at half of the contexts and, where the interval is still too wide, at all: between the two lies what
    they take. Their null is taken on a fixed number of features.
    """
    config = bench.config
    began = time.monotonic()
    labels = [await stand_in(bench, index) for index in sample]
    asked_by: dict[str, list[Asked]] = {}
    for explainer in bench.explainers(rehearsing):
        requests = [await of_explainer(bench, explainer, index) for index in sample]
        asked_by[explainer.source] = [Asked(backend=explainer.source, share=(1.0, 1.0, 1.0), requests=requests)]
    for explainer in bench.stronger(rehearsing):
        requests = [await of_explainer(bench, explainer, index) for index in sample]
        for asked in asked_by.values():
            asked.append(Asked(backend=explainer.source, share=ESCALATED_SHARE, requests=requests))
    measured: list[Asked] = []
    null = min(NULL_FEATURES, live) / live * config.foreign
    for simulator in bench.simulators(rehearsing):
        if simulator.free or simulator.source.startswith("local:"):
            continue
        some = [await of_simulator(bench, simulator, at, text) for at, text in zip(sample, labels, strict=True)]
        every = [await of_all_contexts(bench, simulator, at, text) for at, text in zip(sample, labels, strict=True)]
        # A second look asks about as many contexts again; foreign labels are tried on whatever was looked at, at once.
        measured.append(Asked(backend=simulator.source, share=(1.0, 1.5, 2.0), requests=some, rounds=2))
        measured.append(Asked(backend=simulator.source, share=(0.5 * null, 0.75 * null, null), requests=every))
    for judge in bench.judges(rehearsing):
        if not judge.free:
            put = [await of_judge(bench, judge, at, text) for at, text in zip(sample, labels, strict=True)]
            own = 1 + null if judge.labelled else 1.0
            measured.append(Asked(backend=judge.source, share=(own, own, own), requests=put))
    seconds = (time.monotonic() - began) / max(1, len(sample))
    return {source: [*asked, *measured] for source, asked in asked_by.items()}, seconds


def planned(
    explainer: str,
    mode: Literal["direct", "batch"],
    stages: Sequence[Asked],
    *,
    features: int,
    price: Price,
    answered: Answered,
    seconds: float,
    a_minute: Callable[[str], tuple[float | None, float | None]] = lambda name: (None, None),
) -> Plan:
    """The sum over stages; a mean of the sample stands for all features, with its sampling error in the interval.

    ``seconds`` are what a feature takes beside its calls, ``a_minute`` gives the requests and the input tokens that a
    model's provider allows.
    """
    calls = input_tokens = output_tokens = usd = Span()
    unpriced: list[str] = []
    hours = Span(*(features * seconds / 3600,) * 3)
    for stage in stages:
        n = _total([float(len(one)) for one in stage.requests], features).times(*stage.share)
        read = _total([sum(map(tokens_of, one)) for one in stage.requests], features).times(*stage.share)
        written = _written(stage, features, answered)
        calls, input_tokens, output_tokens = calls + n, input_tokens + read, output_tokens + written
        if not n.high:  # it asks nobody
            continue
        cost = _cost(stage.backend, n, read, written, price)
        if cost is None:
            unpriced.append(stage.backend)
        else:
            usd = usd + cost
        if mode == "direct":
            hours = hours + _direct_hours(n, read, *a_minute(stage.backend))
        else:
            hours = hours + Span(*BATCH_HOURS).times(*(stage.rounds,) * 3)
    return Plan(
        explainer=explainer,
        mode=mode,
        features=features,
        sampled=max((len(stage.requests) for stage in stages), default=0),
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd=None if unpriced else usd,
        hours=hours,
        unpriced=tuple(dict.fromkeys(unpriced)),
    )


def _total(values: Sequence[float], features: int) -> Span:
    """The sum over all features, off the mean of some drawn from them without replacement."""
    if not values:
        return Span()
    mean, n = float(np.mean(values)), len(values)
    error = (
        Z * float(np.std(values, ddof=1)) / math.sqrt(n) * math.sqrt(max(0.0, 1 - n / features)) if n > 1 else mean / 2
    )
    return Span(*(features * max(0.0, mean + step) for step in (-error, 0.0, error)))


def _written(stage: Asked, features: int, answered: Answered) -> Span:
    known = {request.prompt: answered(stage.backend, request.prompt) for one in stage.requests for request in one}
    ends = []
    for at, share in enumerate(ANSWERED_SHARE):
        a_feature = [
            sum(known[request.prompt] or share * request.bound.output_tokens for request in one)
            for one in stage.requests
        ]
        ends.append(vars(_total(a_feature, features))[("low", "mid", "high")[at]] * stage.share[at])
    return Span(*ends)


def _cost(backend: str, calls: Span, read: Span, written: Span, price: Price) -> Span | None:
    """So many calls of the mean size: where long prompts have prices of their own, a sum would be one of them."""
    ends: list[float] = []
    for n, into, out in zip(vars(calls).values(), vars(read).values(), vars(written).values(), strict=True):
        n = max(n, 1e-9)
        one = price(backend, Usage(input_tokens=round(into / n), output_tokens=round(out / n)))
        if one is None:
            return None
        ends.append(n * one)
    return Span(*ends)


def _direct_hours(calls: Span, read: Span, requests: float | None, tokens: float | None) -> Span:
    ends = []
    for n, into, latency in zip(vars(calls).values(), vars(read).values(), CALL_SECONDS, strict=True):
        minutes = [n * latency / IN_FLIGHT / 60]
        minutes += [n / requests] if requests else []
        minutes += [into / tokens] if tokens else []
        ends.append(max(minutes) / 60)
    return Span(*ends)


def tokens_of(request: PendingRequest) -> int:
    """The tokens that a model would read of a request."""
    return count_tokens(text_of(request.body))


def sample_of(live: Sequence[int], seed: int) -> list[int]:
    """Some of the features, at random."""
    order = np.random.default_rng(seed).permutation(list(live))
    return sorted(int(index) for index in order[:SAMPLE])
