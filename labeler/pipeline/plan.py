"""What a run would take, before a cent is spent: calls, tokens, dollars and hours, from the requests of a sample."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np

from labeler.amounts import duration, many
from labeler.amounts import usd as dollars
from labeler.catalogue.records import ChosenLabel, LabelOutcome, NewRun
from labeler.errors import InputError, LabelerError
from labeler.evidence.store.store import EvidenceStore
from labeler.llm.cost_bounds import text_of
from labeler.llm.prices import BATCH_SHARE, load_facts
from labeler.llm.protocol import PendingRequest, Usage
from labeler.llm.rate_limits import a_minute
from labeler.models.counting import count_tokens
from labeler.pipeline.bench import Backends, Bench
from labeler.pipeline.config import PaidNull, RunConfig, new_run, sample, stored_null
from labeler.pipeline.dry_run import (
    keyless,
    of_all_contexts,
    of_explainer,
    of_judge,
    of_simulator,
    rehearsing,
    stand_in,
)
from labeler.pipeline.feature import label
from labeler.pipeline.null_pass import FREE_FOREIGN, RunLabels, control
from labeler.pipeline.worker_loop import IN_FLIGHT
from labeler.scorers import parse_scorer
from labeler.settings import Settings
from labeler.simulators import parse_simulator

SAMPLE = 24
"""Features whose requests are made."""
PRICED = 6
"""The same where a run with a budget begins: enough to tell cents from dollars."""

CALL_SECONDS = (1.0, 3.0, 10.0)
"""How long a call takes: quick, usual, slow."""
START_SECONDS = 3.5
"""What a worker, the database and the end of a run take besides."""
TIMED = 6
"""Features of the sample on which it is measured how long this machine takes for one."""
BUSY = (0.7, 1.0, 1.6)
"""How much less or more the same work takes at another time."""
BATCH_HOURS = (0.1, 1.0, 24.0)
"""The same for a batch; providers promise a day."""
ANSWERED_SHARE = (0.08, 0.2, 0.5)
"""What answers take of the room that they have, where none of the kind was ever paid for here."""
ESCALATED_SHARE = (0.0, 0.35, 1.0)
"""How many features go to the stronger explainer."""
LOOKS = (1.0, 1.5, 2.0)
"""How often a paid simulator looks at contexts of a feature."""

Z = 1.96


@dataclass(frozen=True)
class Span:
    """A number with an interval."""

    low: float = 0.0
    mid: float = 0.0
    high: float = 0.0

    def __str__(self) -> str:
        return f"{self.mid:.3g}" if self.low == self.high else f"{self.mid:.3g} [{self.low:.3g} {self.high:.3g}]"

    def shown(self, how: Callable[[float], str]) -> str:
        """The number with its interval, each as ``how`` writes it; with "about" where these would be the same to read."""
        low, mid, high = how(self.low), how(self.mid), how(self.high)
        if self.low == self.high:
            return mid
        return f"{mid} [{low} {high}]" if low != high else f"about {mid}"

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def times(self, low: float, mid: float, high: float) -> Span:
        """Each end by its own factor."""
        return Span(self.low * low, self.mid * mid, self.high * high)


NOTHING = Span()


@dataclass(frozen=True, kw_only=True)
class PlannedNull:
    """What trying other features' labels would take, by simulators and scorers that have to be paid."""

    features: int
    """Those whose contexts they are tried on."""
    labels: int
    """How many on each."""
    calls: Span
    input_tokens: Span
    output_tokens: Span
    usd: Span | None
    """None where a model has no known price."""


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
    """Of clock time: what this machine takes, and the calls."""
    start_seconds: float = 0.0
    """What this machine takes of that however few the features are, loading of models included."""
    feature_seconds: float = 0.0
    """What it takes of that for each feature beside the calls, as measured on some of the sample."""
    unpriced: Sequence[str] = field(default_factory=tuple)
    """The models without a price."""
    null: PlannedNull | None = None
    """What the null takes of all that; None where nobody who has to be paid could be asked for one."""
    by_halves: int = 0
    """Those of the sampled features that fire in few documents: they are explained from all and from either half."""
    budget_usd: float | None = None
    finished: Span | None = None
    """How many of the features the budget would finish; None where nobody set one, or a price is not known."""

    def __repr__(self) -> str:
        cost = "price unknown" if self.usd is None else f"${self.usd.shown(dollars)}"
        calls = f"{self.calls.shown(many)} call{'s' * (self.calls != Span(1, 1, 1))}"
        features, time = f"{self.features:,} feature{'s' * (self.features != 1)}", self.hours.shown(duration)
        return f"Plan({self.explainer!r}, {self.mode}: {features}, {calls}, {cost}, {time})"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One stage of the work on the sample: what each of its features would be asked."""

    backend: str
    share: tuple[float, float, float]
    """How much of it every feature of the run brings: at least, probably, at most."""
    requests: Sequence[Sequence[PendingRequest]]
    """Of each sampled feature."""
    rounds: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """How often a feature has to wait for its answers here, one time behind the other: at least, probably, at most."""
    of_null: bool = False
    """Whether other features' labels are asked about."""

    @cached_property
    def tokens(self) -> list[float]:
        """What a model would have to read of each sampled feature; counted once, however many plans it is part of."""
        return [float(sum(map(tokens_of, one))) for one in self.requests]


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
    budget: float | None = None,
) -> list[Plan]:
    """What each explainer's way of a run would take, asked as it asks and, with ``batch``, in both ways.

    Nothing is sent, and no key is needed. Raises InputError where none of the features would be asked about.
    """
    run = new_run(config, store, features)
    live = [one.index for one in run.features if one.state is None]
    if not live:
        raise InputError("none of these features would be asked about: all are dead or skipped")
    facts = load_facts(settings)
    null = stored_null(run.config)
    drawn = sample(live, config.seed, SAMPLE)
    by_halves = sum(store.halves(index) for index in drawn)
    backends = Backends(keyless(settings))
    usual: Literal["direct", "batch"] = "batch" if config.mode == "batch" else "direct"
    modes: tuple[Literal["direct", "batch"], ...] = ("direct", "batch") if batch else (usual,)
    try:
        asked, here = await timed(Bench(config, store, backends), drawn, len(live), null)
        return [
            planned(
                explainer,
                mode,
                [*explaining, *asked.besides],
                features=len(live),
                price=partial(backends.price, batch=mode == "batch"),
                answered=answered,
                here=here,
                a_minute=lambda name: a_minute(facts.limits(name)),
                null=null,
                by_halves=by_halves,
                budget=budget,
            )
            for explainer, explaining in asked.explaining.items()
            for mode in modes
        ]
    finally:
        await backends.close()


async def expected_usd(
    config: RunConfig, store: EvidenceStore, settings: Settings, run: NewRun, answered: Answered
) -> dict[str, dict[str, float]]:
    """The most that a ``feature`` of a run and a single ``call`` are expected to take, in US dollars, by stage.

    In the stage ``control`` that is a feature of the null. Nothing is sent. A stage whose price nobody knows is left out.
    """
    live = [one.index for one in run.features if one.state is None]
    null = stored_null(run.config)
    backends = Backends(keyless(settings))
    try:
        drawn = sample(live, config.seed, PRICED)
        asked = await rehearse(Bench(config, store, backends), drawn, len(live), null)
        price = partial(backends.price, batch=config.mode == "batch")
        stages = [*(stage for explaining in asked.explaining.values() for stage in explaining), *asked.besides]
        found = {}
        for name, n in (("label", len(live)), ("control", len(null.features))):
            wanted = [stage for stage in stages if stage.of_null is (name == "control")]
            usd = taken(wanted, len(live), price, answered).usd
            if usd is not None:
                found[name] = {"feature": usd.high / max(1, n), "call": dearest(wanted, config.mode)}
        return found
    finally:
        await backends.close()


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """What a run would ask about the features of a sample."""

    explaining: Mapping[str, Sequence[Asked]]
    """By explainer."""
    besides: Sequence[Asked]
    """What is asked whoever explains."""


@dataclass(frozen=True, kw_only=True)
class Here:
    """What this machine takes, in seconds, beside calls."""

    start: float = 0.0
    """However few features there are: to load models, and all that begins and ends a run."""
    feature: float = 0.0


async def timed(bench: Bench, drawn: Sequence[int], live: int, null: PaidNull) -> tuple[Rehearsed, Here]:
    """What would be asked about some features, and what this machine takes for a run.

    What is free is done on a few of them as a run does it. The first goes before, for it waits until models are loaded.
    """
    free = Bench(free_part(bench.config), bench.store, bench.backends)
    some = drawn[:TIMED]
    began = time.monotonic()
    await rehearse(bench, some[:1], live, null)
    await label_free(free, some[:1])
    first = time.monotonic() - began
    began = time.monotonic()
    asked = await rehearse(bench, drawn, live, null)
    a_feature = (time.monotonic() - began) / len(drawn)
    began = time.monotonic()
    labels, outcomes = await label_free(free, some)
    a_feature += (time.monotonic() - began) / len(some)
    start = START_SECONDS + max(0.0, first - a_feature)
    foreign = min(FREE_FOREIGN, live - 1)
    if len(labels.pool) > 1:
        began = time.monotonic()
        for index, outcome in outcomes.items():
            await control(free, index, labels, outcome.scores, PaidNull(), rehearsing)
        each = (time.monotonic() - began) / len(outcomes)
        a_feature += each * max(1.0, foreign / (len(labels.pool) - 1))
    return asked, Here(start=start, feature=a_feature)


def free_part(config: RunConfig) -> RunConfig:
    """What of a run costs nothing, with the lightest tools in the place of those that have to be paid or take a model."""
    simulators = tuple(name for name in config.simulators if parse_simulator(name).llm is None)
    scorers = tuple(name for name in config.scorers if parse_scorer(name).llm is None)
    return replace(
        config,
        explainers=("lexical",),
        simulators=simulators or ("lexical",),
        scorers=scorers,
        escalate=None,
        mode="direct",
    )


async def label_free(bench: Bench, indices: Sequence[int]) -> tuple[RunLabels, dict[int, LabelOutcome]]:
    """Label some features by what costs nothing; nothing is stored. What one of them fails with is no matter here."""
    labels: list[ChosenLabel] = []
    outcomes: dict[int, LabelOutcome] = {}
    for index in indices:
        try:
            found = await label(bench, index, rehearsing)
        except LabelerError:
            continue
        if found.chosen is not None:
            one = found.candidates[found.chosen]
            labels.append(ChosenLabel(index=index, label=one.label, description=one.description, near_duplicates=()))
            outcomes[index] = found
    return RunLabels.of(labels), outcomes


async def rehearse(bench: Bench, drawn: Sequence[int], live: int, null: PaidNull) -> Rehearsed:
    """What each explainer's way would ask about some features.

    Simulators look at half of the contexts and, where the interval is still too wide, at all: between the two lies what
    they take. Their null is taken on some features of the run.
    """
    labels = [await stand_in(bench, index) for index in drawn]
    explaining: dict[str, list[Asked]] = {}
    for explainer in bench.explainers(rehearsing):
        requests = [await of_explainer(bench, explainer, index) for index in drawn]
        explaining[explainer.source] = [Asked(backend=explainer.source, share=(1.0, 1.0, 1.0), requests=requests)]
    besides: list[Asked] = []
    for explainer in bench.stronger(rehearsing):
        requests = [await of_explainer(bench, explainer, index) for index in drawn]
        besides.append(
            Asked(backend=explainer.source, share=ESCALATED_SHARE, requests=requests, rounds=ESCALATED_SHARE)
        )
    tried = len(null.features) * null.labels / live
    for simulator in bench.simulators(rehearsing):
        if simulator.free or simulator.source.startswith("local:"):
            continue
        some = [await of_simulator(bench, simulator, at, text) for at, text in zip(drawn, labels, strict=True)]
        every = [await of_all_contexts(bench, simulator, at, text) for at, text in zip(drawn, labels, strict=True)]
        # A second look asks about as many contexts again; foreign labels are tried on whatever was looked at, at once.
        besides.append(Asked(backend=simulator.source, share=LOOKS, requests=some, rounds=LOOKS))
        share = (0.5 * tried, 0.75 * tried, tried)
        besides.append(Asked(backend=simulator.source, share=share, requests=every, of_null=True))
    for judge in bench.judges(rehearsing):
        if not judge.free:
            put = [await of_judge(bench, judge, at, text) for at, text in zip(drawn, labels, strict=True)]
            besides.append(Asked(backend=judge.source, share=(1.0, 1.0, 1.0), requests=put))
            if judge.labelled:
                besides.append(Asked(backend=judge.source, share=(tried, tried, tried), requests=put, of_null=True))
    return Rehearsed(explaining=explaining, besides=besides)


def planned(
    explainer: str,
    mode: Literal["direct", "batch"],
    stages: Sequence[Asked],
    *,
    features: int,
    price: Price,
    answered: Answered,
    here: Here,
    a_minute: Callable[[str], tuple[float | None, float | None]] = lambda name: (None, None),
    null: PaidNull | None = None,
    by_halves: int = 0,
    budget: float | None = None,
) -> Plan:
    """The sum over stages; a mean of the sample stands for all features, with its sampling error in the interval.

    ``here`` is what this machine takes beside calls, ``a_minute`` gives the requests and the input tokens that a
    model's provider allows. ``null`` is what the stages that are marked so are about. ``budget`` is in US dollars.
    """
    whole = taken(stages, features, price, answered)
    asking = [stage for stage in stages if _asked(stage, features)[0].high]
    seconds = here.start + features * here.feature
    hours = Span(seconds, seconds, seconds).times(*BUSY).times(*(1 / 3600,) * 3)
    for_answers = _direct_hours(asking, features, a_minute) if mode == "direct" else _batch_hours(asking)
    hours = hours + for_answers
    of_null = [stage for stage in stages if stage.of_null]
    part = taken(of_null, features, price, answered)
    of = PaidNull() if null is None else null
    return Plan(
        explainer=explainer,
        mode=mode,
        features=features,
        sampled=max((len(stage.requests) for stage in stages), default=0),
        calls=whole.calls,
        input_tokens=whole.input_tokens,
        output_tokens=whole.output_tokens,
        usd=whole.usd,
        hours=hours,
        start_seconds=here.start,
        feature_seconds=here.feature,
        unpriced=whole.unpriced,
        null=PlannedNull(
            features=len(of.features),
            labels=of.labels,
            calls=part.calls,
            input_tokens=part.input_tokens,
            output_tokens=part.output_tokens,
            usd=part.usd,
        )
        if of_null
        else None,
        by_halves=by_halves,
        budget_usd=budget,
        finished=None
        if budget is None or whole.usd is None
        else finished(budget, features, whole.usd, dearest(stages, mode)),
    )


def dearest(stages: Sequence[Asked], mode: Literal["direct", "batch", "offline"]) -> float:
    """The most that a single call can take, in US dollars; 0 where no price is known."""
    bounds = [one.bound.usd or 0.0 for stage in stages for requests in stage.requests for one in requests]
    return (BATCH_SHARE if mode == "batch" else 1.0) * max(bounds, default=0.0)


def finished(budget: float, features: int, usd: Span, to_spare: float) -> Span:
    """How many of a run's features a budget finishes, where all take ``usd``: the worst case of a call is kept free.

    The fewest are those that are finished where each takes the most.
    """
    room = max(0.0, budget - to_spare)
    return Span(
        *(
            min(features, int(features * room / all_of_it)) if all_of_it else features
            for all_of_it in (usd.high, usd.mid, usd.low)
        )
    )


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What some stages take of all features together."""

    calls: Span = NOTHING
    input_tokens: Span = NOTHING
    output_tokens: Span = NOTHING
    usd: Span | None = NOTHING
    """None where a model has no known price."""
    unpriced: Sequence[str] = ()


def taken(stages: Sequence[Asked], features: int, price: Price, answered: Answered) -> Taken:
    """The sum over stages of a run, off what each asks about the sample."""
    calls = input_tokens = output_tokens = usd = Span()
    unpriced: list[str] = []
    for stage in stages:
        n, read = _asked(stage, features)
        written = _written(stage, features, answered)
        calls, input_tokens, output_tokens = calls + n, input_tokens + read, output_tokens + written
        if not n.high:  # it asks nobody
            continue
        cost = _cost(stage.backend, n, read, written, price)
        if cost is None:
            unpriced.append(stage.backend)
        else:
            usd = usd + cost
    return Taken(
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd=None if unpriced else usd,
        unpriced=tuple(dict.fromkeys(unpriced)),
    )


def _asked(stage: Asked, features: int) -> tuple[Span, Span]:
    """A stage's calls, and the tokens that they have to read."""
    n = _total([float(len(one)) for one in stage.requests], features).times(*stage.share)
    return n, _total(stage.tokens, features).times(*stage.share)


def _total(values: Sequence[float], features: int) -> Span:
    """The sum over all features, off the mean of some drawn from them without replacement."""
    if not values:
        return Span()
    mean, n = float(np.mean(values)), len(values)
    error = (
        Z * float(np.std(values, ddof=1)) / math.sqrt(n) * math.sqrt(max(0.0, 1 - n / features))
        if n > 1
        else mean / 2 * (features > 1)
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


def _waits(stages: Sequence[Asked], each: tuple[float, float, float]) -> Span:
    """What a feature waits where every answer takes ``each``: one stage begins where the one before it has ended."""
    waits = Span()
    for stage in stages:
        waits = waits + Span(*stage.rounds).times(*each)
    return waits


def _batch_hours(stages: Sequence[Asked]) -> Span:
    return _waits(stages, BATCH_HOURS)


def _direct_hours(
    stages: Sequence[Asked], features: int, a_minute: Callable[[str], tuple[float | None, float | None]]
) -> Span:
    """No less than one feature waits, nor than all calls take so many at once, or as many as providers allow."""
    seconds = Span()
    for stage in stages:
        n, read = _asked(stage, features)
        requests, tokens = a_minute(stage.backend)
        ends = []
        for calls, into, latency in zip(vars(n).values(), vars(read).values(), CALL_SECONDS, strict=True):
            limits = [60 * calls / requests] if requests else []
            limits += [60 * into / tokens] if tokens else []
            ends.append(max(calls * latency / IN_FLIGHT, *limits, 0.0))
        seconds = seconds + Span(*ends)
    waits = _waits(stages, CALL_SECONDS)
    ends = [max(one, other) / 3600 for one, other in zip(vars(seconds).values(), vars(waits).values(), strict=True)]
    return Span(*ends)


def tokens_of(request: PendingRequest) -> int:
    """The tokens that a model would read of a request."""
    return count_tokens(text_of(request.body))
