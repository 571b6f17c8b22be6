"""What a run does, as it is stored with it; and how much of it goes into the null of paid simulators and scorers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labeler import __version__
from labeler.catalogue.labels import POOLED, reading
from labeler.catalogue.records import CandidateRecord, NewFeature, NewRun, Standing
from labeler.errors import InputError
from labeler.evidence.store.manifest import Sampling
from labeler.evidence.store.store import EvidenceStore
from labeler.explainers import parse_explainer
from labeler.features import SPLITS
from labeler.llm.endpoints import same_model
from labeler.options import Mode, Options
from labeler.progress import tell
from labeler.prompts import custom_prompt
from labeler.scorers import parse_scorer
from labeler.simulators import NEEDS_LOGPROBS, parse_simulator

FEATURES = 64
"""Features that a null is taken on at most: the percentiles of all others are read off what is found there."""

LABELS = 3
"""Foreign labels that are tried on each of them, at most, where nobody says how many."""

OWN_FOR_A_FOREIGN = 4
"""Features of the run for each foreign label that is tried, at least. To try one costs what scoring the own label did, so
that the null is a fifth of what scoring costs at most."""


@dataclass(frozen=True)
class PaidNull:
    """On which features foreign labels are tried by what has to be paid, and how many on each."""

    features: Sequence[int] = ()
    labels: int = 0


def paid_null(live: Sequence[int], seed: int, foreign: int | None = None) -> PaidNull:
    """The null of a run over the ``live`` features; ``foreign`` labels on each of the sample where that is said.

    Else as many in all as OWN_FOR_A_FOREIGN allows, on as many features as there may be: two labels on two features say
    more than two on one. Where those would be too few to read a percentile off, none: they would be paid for nothing.
    """
    tried = min(FEATURES * LABELS, len(live) // OWN_FOR_A_FOREIGN)
    if foreign is not None:
        n, labels = (FEATURES, foreign) if foreign else (0, 0)
    elif tried < POOLED:
        n, labels = 0, 0
    else:
        n, labels = min(FEATURES, tried), tried // min(FEATURES, tried)
    return PaidNull(sample(live, seed, n), labels)


def sample(live: Sequence[int], seed: int, n: int = FEATURES) -> list[int]:
    """At most n of the features at random, in index order; a smaller sample is a part of a larger one."""
    drawn = np.random.default_rng(seed).permutation(list(live))[:n]
    return sorted(int(index) for index in drawn)


def stored_null(config: Mapping[str, Any]) -> PaidNull:
    """The paid null out of a stored run's configuration."""
    if "paid_null" in config:
        return PaidNull(**config["paid_null"])
    # It was begun by a version that took every null on the whole sample.
    return PaidNull(config["null_sample"], config["labelling"]["foreign"])


STANDING = "catalogue"
"""Where labels come from that stand already: they are scored as they are, and none is chosen anew."""

_STAGE = "finding what can be scored"

Given = Standing | Sequence[CandidateRecord]
"""What a run over labels that are there already starts from: a label that stands, or candidates from elsewhere."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How features are labelled and scored, or labels scored that are there already."""

    dictionary: str
    explainers: tuple[str, ...] = ()
    simulators: tuple[str, ...] = ()
    """The first gives the headline score; without any, what was the headline stays so, else the first scorer is."""
    scorers: tuple[str, ...] = ()
    """What judges labels beside the simulators."""
    labels: str | None = None
    """Where the labels come from that are scored: ``catalogue``, ``file:NAME``, ``given``; None where they are made."""
    contexts: int = Options.contexts
    """Contexts that a paid simulator predicts; those that cost nothing predict everything at hand."""
    precision: float = Options.precision
    """A score whose interval reaches further to either side is ``imprecise``."""
    foreign: int | None = Options.foreign
    """Labels of other features that a paid simulator is tried with, for the null; None for what costs a fifth at most."""
    selector: str = "embedding"
    """The simulator that chooses between candidates; one that costs nothing."""
    guided: bool = True
    """Whether a label's guess (it takes the sentence encoder) helps to draw the contexts of a paid simulator."""
    seed: int = Options.seed
    sampling: Sampling = "population"
    """Whether the evidence speaks for its corpus; scores of the two kinds have different names."""
    mode: Mode = Options.mode
    escalate: str | None = Options.escalate
    """The explainer that is asked, besides, about features whose label is unclear or holds too little on ``select``."""
    below: float = Options.below
    """What the selector's score of a label has to reach, for its feature not to be escalated."""
    output_labels: bool = False
    """Whether labels that say what a feature promotes are scored as if they said what makes it fire."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Templates that take the place of shipped ones, by their names."""

    def __post_init__(self) -> None:
        if self.labels is None and not (self.explainers and self.simulators):
            raise InputError("a run needs at least one explainer and one simulator")
        if self.labels is not None and not (self.simulators or self.scorers):
            raise InputError("scoring labels needs at least one simulator or scorer")
        if self.labels is not None and self.explainers:
            raise InputError("labels that are given are not explained again; leave out the explainers")
        _once("simulator", [parse_simulator(name).name for name in self.simulators])
        _once("scorer", [parse_scorer(name).name for name in self.scorers])
        for name in self.explainers:
            parse_explainer(name)
        if self.escalate is not None:
            if self.labels is not None:
                raise InputError("labels that are given are not explained again; leave out `escalate`")
            parse_explainer(self.escalate)
        if not -1 <= self.below <= 1:
            raise InputError(f"{self.below} is no score; features are escalated below a number from -1 to 1")
        if self.mode != "direct":
            self._check_deferrable()
        for name, text in self.prompts.items():
            custom_prompt(name, text)
        if self.contexts < 2:
            raise InputError(f"cannot score on {self.contexts} contexts; give 2 or more")
        if not 0 < self.precision <= 1:
            raise InputError(f"precision {self.precision} is out of range; give a half width above 0, at most 1")

    def _check_deferrable(self) -> None:
        for name in self.simulators:
            method = parse_simulator(name)
            if method.name in NEEDS_LOGPROBS and method.llm and not method.llm.startswith("local:"):
                raise InputError(
                    f"simulator '{name}' needs log-probabilities, which neither batches nor files of answers give; "
                    f"use sparse={method.llm}"
                )

    @property
    def explains_with(self) -> tuple[str, ...]:
        """All explainers that may be asked."""
        return (*self.explainers, *((self.escalate,) if self.escalate else ()))

    @property
    def headline(self) -> str:
        """The key of the headline score, where a feature does not bring its own."""
        if not self.simulators:
            return parse_scorer(self.scorers[0]).name
        return self.key(parse_simulator(self.simulators[0]).name)

    @property
    def makes(self) -> tuple[str, ...]:
        """The keys of the scores that it was asked for, the headline's first where it makes one."""
        simulated = [self.key(parse_simulator(name).name) for name in self.simulators]
        return (*simulated, *(parse_scorer(name).name for name in self.scorers))

    @property
    def must(self) -> str | None:
        """The key of the score that a feature fails without; the others may fail beside it.

        None where what is scored has its headline already.
        """
        return None if self.labels == STANDING and not self.simulators else self.headline

    def key(self, simulator: str) -> str:
        """The key of a simulator's score."""
        return f"simulation.{simulator}" if self.sampling == "population" else f"simulation_top_and_random.{simulator}"

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> RunConfig:
        """The configuration out of a stored run's."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored["labelling"].items()}
        return cls(**fields)


def _once(kind: str, names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InputError(f"{kind} '{doubled[0]}' is given twice; a run has one score of each method")


def check_distinct(explainers: Sequence[str]) -> None:
    """InputError where one model would be asked the same twice, under one name or two."""
    methods = [(name, parse_explainer(name)) for name in explainers]
    for (one, a), (other, b) in itertools.combinations(methods, 2):
        if a.name == b.name and (a.llm == b.llm or (a.llm and b.llm and same_model(a.llm, b.llm))):
            raise InputError(
                f"explainer '{other}' is given twice; name it once"
                if one == other
                else f"explainers '{one}' and '{other}' are one model; name it once"
            )


NOTHING: Mapping[str, Sequence[str]] = {}


def new_run(
    config: RunConfig,
    store: EvidenceStore,
    indices: Sequence[int],
    given: Mapping[int, Given] | None = None,
    without_label: int = 0,
    budget: float | None = None,
    left_out: Mapping[str, Sequence[str]] = NOTHING,
    before: Mapping[int, Standing] | None = None,
) -> NewRun:
    """A run over some features; those that never fire, or in no context that may be explained, are born done.

    ``given`` has the labels to score, of every index, where the run makes none; ``without_label`` says how many
    features were left out for having none, ``left_out`` which labels of a file were, by why (``Labels.left_out``).
    ``before`` has the labels that stand now for features whose labels come from elsewhere. ``budget`` is in US dollars.
    Raises InputError for an index out of range, a list without any, or an explainer that is named twice.
    """
    check_distinct(config.explains_with)
    if not indices:
        raise InputError(f"no features to label; '{store.manifest.name}' has {store.indices[0]} to {store.indices[-1]}")
    wanted = sorted({store.check_index(index) for index in indices})
    density, done = store.density(), unasked(store, wanted, explains=given is None)
    features = []
    for index in wanted:
        at = store.place(index)
        state, reason = done.get(index, (None, None))
        label = () if given is None else given[index]
        stands = label if isinstance(label, Standing) else None
        features.append(
            NewFeature(
                index=index,
                statistics={
                    "density": None if np.isnan(density[at]) else float(density[at]),
                    "max_activation": float(store.summary["maximum"][at]),
                },
                near_duplicates=store.near_duplicates(index),
                state=state,
                reason=reason,
                given=() if isinstance(label, Standing) else label,
                standing=stands,
                headline=stands.headline if stands is not None and not config.simulators else None,
            )
        )
    live = [feature.index for feature in features if feature.state is None]
    return NewRun(
        dictionary=config.dictionary,
        config={
            "labelling": asdict(config),
            "model": store.manifest.model,
            "hook": store.manifest.hook,
            "headline": config.headline,
            "evidence": store.manifest.fingerprint,
            "splits": store.manifest.splits,
            "seed": config.seed,
            "labeler": __version__,
            "null_sample": sample(live, config.seed),
            "paid_null": asdict(paid_null(live, config.seed, config.foreign)),
            "without_label": without_label,
            **{why: list(places) for why, places in left_out.items()},
            "silent_labels": [] if given is None else [f"feature {one.index}" for one in features if one.state],
            "several_labels": [len(feature.given) for feature in features if len(feature.given) > 1],
            "output_side": 0 if config.output_labels else sum(map(_is_of_output, features)),
            "output_before": 0
            if config.output_labels
            else sum(_is_of_output(f) and _stands(f, before or {}) is True for f in features),
            "instead": sum(_stands(f, before or {}) is False for f in features),
            "made_here": 0 if config.labels == STANDING else sum(f.standing is not None for f in features),
        },
        features=features,
        budget_usd=budget,
    )


def _is_of_output(feature: NewFeature) -> bool:
    """Whether all that a run is to score of a feature says what it promotes."""
    labels = [feature.standing] if feature.standing is not None else feature.given
    return not feature.state and bool(labels) and all(one.side == "output" for one in labels)


def _stands(feature: NewFeature, before: Mapping[int, Standing]) -> bool | None:
    """Whether what a run is to score of a feature reads as the label that stands for it; None where none does."""
    if feature.standing is not None:
        return True
    stands = before.get(feature.index)
    if stands is None or feature.state:
        return None
    own = reading(stands.label), reading(stands.description)
    return any((reading(one.label), reading(one.description)) == own for one in feature.given)


def dead(store: EvidenceStore) -> NDArray[np.bool_]:
    """[n_features] which are known to be active nowhere, and not only where nobody looked."""
    silent = ~store.firing_contexts().any(axis=1)
    return np.asarray(silent & ((store.manifest.sampling == "population") | (store.density() == 0)))


def unasked(
    store: EvidenceStore, indices: Sequence[int], *, explains: bool
) -> dict[int, tuple[Literal["dead", "skipped"], str]]:
    """The features of which a run asks nothing, with the state that they are born in, and why."""
    firing, never = store.firing_contexts(), dead(store)
    found: dict[int, tuple[Literal["dead", "skipped"], str]] = {}
    for index in indices:
        at = store.place(index)
        if never[at]:
            n = f"{store.manifest.n_tokens:,} " if store.manifest.n_tokens else ""
            found[index] = "dead", f"never fired in the {n}tokens collected"
        elif not firing[at].any():
            found[index] = "skipped", "no context in which it fires came with it"
        elif explains and not firing[at, SPLITS.index("explain")] and not store.is_dealt(index):
            found[index] = "skipped", f"active in {firing[at].sum()} contexts, none of them in the explain split"
    return found


def explainable(store: EvidenceStore) -> NDArray[np.bool_]:
    """[n_features] whether a run explains each: it fires in a context that may be explained from."""
    firing = store.firing_contexts()
    found = firing[:, SPLITS.index("explain")] > 0
    for at in np.flatnonzero(~found & firing.any(axis=1)).tolist():
        found[at] = store.is_dealt(
            int(store.indices[at])
        )  # by the hash of a document none is left; dealt, there is one
    return np.asarray(found)


def scorable(store: EvidenceStore) -> Iterator[int]:
    """The features, in order, whose labels a run can score as well: they fire in text of its own, kept for that.

    A feature takes some two milliseconds, for documents that are copies of one another are one.
    """
    ready = store.indices[explainable(store)].tolist()
    for done, index in enumerate(ready):
        if not done % 100:
            tell(_STAGE, done, len(ready), "features")
        if {"explain", "score"} <= store.served(index):
            yield index
    tell(_STAGE, len(ready), len(ready), "features")


def spread_by_density(store: EvidenceStore, n: int) -> list[int]:
    """n features at equal steps through the live ones by density; those must fire in every split, four times at least."""
    live = np.flatnonzero((store.firing_contexts() >= 4).all(axis=1))
    if len(live) < n:
        raise InputError(
            f"'{store.manifest.name}' has {len(live)} features with evidence enough, wanted {n}; collect more"
        )
    order = live[np.argsort(store.density()[live], kind="stable")]
    return sorted(int(store.indices[order[i]]) for i in np.linspace(0, len(order) - 1, n).round().astype(int))
