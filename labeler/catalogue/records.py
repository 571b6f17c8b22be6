"""What callers hand to the catalogue and get out of it. Every time is in seconds since the epoch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from labeler.llm import protocol
from labeler.sides import Side, side_of

RunState = Literal["running", "paused", "cancelled", "finished"]
Activity = Literal["running", "waiting", "stopped", "paused", "cancelled", "finished"]
"""What a person is told of a run's state: one that is to run is running, waits for a worker or for answers by file, or has
stopped, for nobody is at it."""
Stage = Literal["label", "control", "done"]
"""What is to be done next with a feature."""
FeatureState = Literal["labelled", "unclear", "failed", "dead", "skipped"]
ScoreState = Literal["ok", "imprecise", "undefined", "failed", "unscored"]

BatchState = Literal["new", "sending", "sent", "done"]

SETTLING = 5.0
"""Seconds within which a run that may be worked on again is taken up by a worker that is there."""

OPEN = protocol.OPEN
"""The outcome of a call that is being made, or was when its worker was killed; its ``usd`` is the most that it can cost."""

ANSWERED = "answered"
"""The outcome of a call whose reply is of use."""

UNKNOWN = protocol.UNKNOWN
"""The outcome of a call of which nobody can say whether it was billed; its ``usd`` is the most that it can cost."""


BY_HALVES = "mean of two halves, each scored with a label that was made of the other, or chosen on it"
"""How the sampling of a score ends that was made by halves."""


@dataclass(frozen=True, kw_only=True)
class CandidateRecord:
    """One explanation of a feature; its position is its place in the outcome."""

    label: str
    explainer: str
    description: str = ""
    confidence: float | None = None
    prompt: str | None = None
    """``name@version`` of the prompt that made it."""
    contexts: Sequence[int] | None = ()
    """The contexts that its maker was shown; None where nobody knows, as of a label from elsewhere."""
    select: Mapping[str, Any] = field(default_factory=dict)
    """Scores on the select split, by key."""

    @property
    def side(self) -> Side:
        """What it speaks of; one that was made here was asked for what makes the feature fire."""
        return side_of(self.label) if self.contexts is None else "input"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A label that stands in the catalogue."""

    index: int
    run_id: str
    """The run whose row speaks for the feature."""
    headline: str | None
    """The key of its headline score."""
    label: str
    description: str
    side: Side = "input"
    """What it speaks of."""


@dataclass(frozen=True, kw_only=True)
class NewFeature:
    """A feature that a new run is to label, or that is left out of it with a reason."""

    index: int
    statistics: Mapping[str, float | None]
    """``density`` and ``max_activation``."""
    near_duplicates: Sequence[int] = ()
    state: Literal["dead", "skipped"] | None = None
    """Where given, the row is born done."""
    reason: str | None = None
    given: Sequence[CandidateRecord] = ()
    """Candidates that the run does not have to make."""
    standing: Standing | None = None
    """The label that the run is to take over with its scores and controls; its candidates are given then."""
    headline: str | None = None
    """The key of its headline score, where that is not the run's."""


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run to create.

    Of its configuration the exported row shows ``model``, ``hook``, ``headline`` (a score key), ``evidence``, ``seed`` and
    ``labeler`` (a version).
    """

    dictionary: str
    config: Mapping[str, Any]
    features: Sequence[NewFeature]
    budget_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as it stands."""

    id: str
    dictionary: str
    state: RunState
    created_at: float
    finished_at: float | None
    config: dict[str, Any] = field(repr=False)
    n_features: int
    budget_usd: float | None
    committed_usd: float
    """What it has cost, and the worst cases of the calls that are open or unknown."""
    reason: str | None
    """Why it is paused."""
    nulls: dict[str, list[float | None]] | None = field(repr=False)
    """Foreign labels' scores by score key, pooled over the features of ``config["null_sample"]``, once it is finished.

    Off it the null percentile of a score is read that has too few foreign labels, or none, of its own.
    """


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A feature that its holder may work on until the lease runs out."""

    run_id: str
    index: int
    stage: Literal["label", "control"]
    attempts: int
    """How often it was claimed in this stage, this time included."""
    token: str
    """Proof of the lease."""


@dataclass(frozen=True, kw_only=True)
class ScoreRecord:
    """One score of a chosen label; NaN and infinity are stored as nothing."""

    key: str
    """``scorer`` or ``scorer.variant``."""
    state: ScoreState
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_contexts: int = 0
    uniform_equivalent_n: float | None = None
    simulator: str | None = None
    null_percentile: float | None = None
    null_mean: float | None = None
    reason: str | None = None
    sampling: str | None = None
    """How the contexts were drawn."""
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class LabelOutcome:
    """How the labelling of a feature ended."""

    state: Literal["labelled", "unclear", "failed"]
    reason: str | None = None
    failure: str | None = None
    """Of what kind it is, where it failed (``labeler.llm.errors.KINDS``)."""
    candidates: Sequence[CandidateRecord] = ()
    chosen: int | None = None
    """Position of the chosen candidate."""
    scores: Sequence[ScoreRecord] = ()
    """At most one a key; without any there is nothing to control, and the feature is done."""
    controls: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.state == "failed" and not self.reason:
            raise ValueError("a failed feature needs a reason")
        if self.state == "labelled" and self.chosen is None:
            raise ValueError("a labelled feature needs a chosen candidate")
        if self.chosen is not None and not 0 <= self.chosen < len(self.candidates):
            raise ValueError(f"candidate {self.chosen} was chosen, but there are {len(self.candidates)}")


@dataclass(frozen=True, kw_only=True)
class ControlOutcome:
    """What the control pass found."""

    scores: Sequence[ScoreRecord] = ()
    """They replace the feature's scores of the same keys; the others stay."""
    controls: Mapping[str, Any] = field(default_factory=dict)
    """They are added to what the labelling stored."""


@dataclass(frozen=True, kw_only=True)
class ChosenLabel:
    """The label of a labelled feature, for comparison with others."""

    index: int
    label: str
    description: str
    near_duplicates: tuple[int, ...]
    side: Side = "input"


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """One call of a language model; recorded again under the same id, it replaces what was there."""

    run_id: str
    index: int
    stage: str
    backend: str
    """``provider:model``."""
    outcome: str
    """What came of it; ``UNKNOWN`` where nobody can say."""
    prompt: str | None = None
    mode: str = "direct"
    """``direct|batch|offline``"""
    key: str | None = None
    """What was asked (``labeler.llm.cache_keys``); a reply is kept under it."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    """None where the price is unknown, 0 where nobody is paid."""
    created_at: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class StoredAnswer:
    """A reply that was paid for."""

    reply: protocol.Reply
    useless: bool
    """Whether it led nowhere."""


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """How a call ended."""

    call: str
    outcome: str
    usage: protocol.Usage | None
    """What it took; None where nothing was billed."""
    reply: protocol.Reply | None = None
    """To be kept under the call's key; as useless where the outcome is not ``answered``."""


@dataclass(frozen=True, kw_only=True)
class PendingRecord:
    """A question of a run that nobody has answered yet."""

    key: str
    index: int
    stage: str
    backend: str
    prompt: str
    body: Mapping[str, Any]
    bound_input: int
    bound_output: int
    bound_usd: float | None
    """The most that answering can take, at the ordinary price."""
    tries: int


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """Requests that travel together, under its holder's lease."""

    id: str
    run_id: str
    backend: str
    state: BatchState
    provider_id: str | None
    created_at: float
    token: str
    """Proof of the lease."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is: ``total = waiting + leased + parked + in_control + done``."""

    total: int
    by_state: dict[str, int]
    """Features by state; those without one are not counted."""
    waiting: int
    """Features without a label that nobody holds."""
    leased: int
    """Features without a label that a worker holds, or held when it was killed."""
    parked: int
    """Features without a label that wait for answers."""
    in_control: int
    """Labelled features whose control pass is still to come or under way."""
    done: int
    failed: int
    """Those of the done features that failed."""
    failures: dict[str, int]
    """The same by kind, the most frequent first."""
    usd: float
    """The sum over calls with a known outcome and a known price."""
    calls: int
    """Calls with a known outcome; the tokens are theirs."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    unpriced_calls: int
    """Those of them whose price is unknown."""
    unknown_calls: int
    """Calls that are being made, or of which nobody can say whether they were billed."""
    unknown_usd: float
    """The most that those can have cost."""
    pending: int
    """Questions that nobody has answered yet."""
    first_finished_at: float | None
    """When the first feature, and when the last one, came out of a stage; those born done are left out."""
    last_finished_at: float | None
    held_until: float | None
    """When the last lease runs out, or the last pause before somebody comes back, of what is still to be done."""

    def __repr__(self) -> str:
        states = ", ".join(f"{n:,} {state}" for state, n in self.by_state.items())
        held = f" ({states})" if states else ""
        return f"Progress({self.done:,} of {self.total:,} features done{held}, {self.calls:,} calls, ${self.usd:.4f})"

    @property
    def open(self) -> int:
        """Features without a label, whoever holds them or whatever they wait for."""
        return self.waiting + self.leased + self.parked

    @property
    def cached_share(self) -> float | None:
        """The share of the prompts' tokens that providers read from their caches."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None

    @property
    def usd_a_feature(self) -> float | None:
        """What a feature with an answer has cost so far."""
        finished = self.by_state.get("labelled", 0) + self.by_state.get("unclear", 0)
        return self.usd / finished if finished else None


def activity(run: RunRecord, progress: Progress, now: float, *, fleet: bool) -> Activity:
    """What is happening to a run at a time; in a ``fleet`` any worker that comes takes it up by itself."""
    if run.state != "running":
        return run.state
    begins = 0.0 if fleet else run.created_at  # there is a worker with the command that made it
    if now <= max(begins, progress.held_until or 0.0) + SETTLING:
        return "running"
    by_file = run.config.get("labelling", {}).get("mode") == "offline" and progress.pending > 0
    return "waiting" if fleet or by_file else "stopped"
