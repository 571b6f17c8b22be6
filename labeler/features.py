"""What is known of a feature before it has a name: contexts, how they were sampled, statistics."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labeler.arguments import one_of
from labeler.errors import InputError

Split = Literal["explain", "select", "score"]
"""Which contexts may be used for what; disjoint by source document."""

Splits = tuple[Split, ...]

SPLITS: Splits = ("explain", "select", "score")

SCORE: Splits = ("score",)
"""What a label that was made here may be scored on: it had no part in the label, nor in the choice of it."""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Context:
    """A window of tokens with one feature's true activation on every token."""

    id: int
    """Its row in the evidence store."""
    document: str
    """The source that it was cut from."""
    split: Split
    tokens: tuple[str, ...]
    """Token strings; joined they give the text."""
    activations: FloatArray
    """[n_tokens], non-negative and finite."""

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.activations):
            raise InputError(
                f"context {self.id} of '{self.document}' has {len(self.tokens)} tokens "
                f"but {len(self.activations)} activations; there must be one for each"
            )
        if not np.isfinite(self.activations).all():
            raise InputError(
                f"context {self.id} of '{self.document}' has NaN or infinite activations; all must be finite"
            )

    def __repr__(self) -> str:
        return f"Context({self.id} of {self.document!r}, {self.split}: {self.text!r}, at most {self.maximum:.3g})"

    @property
    def text(self) -> str:
        """The tokens, joined."""
        return "".join(self.tokens)

    @property
    def maximum(self) -> float:
        """The strongest activation; 0 where the feature is silent."""
        return float(self.activations.max(initial=0.0))


LENS_SAYS = 0.55
"""A lens says something where its figure is above this for certain; .5 is chance."""


@dataclass(frozen=True, kw_only=True)
class Lens:
    """How well the lists of promoted tokens of a dictionary tell its features apart, by what follows where they fire."""

    auc: float
    """.5 is chance."""
    low: float
    high: float
    """The 95 % interval."""
    n_features: int
    """How many it was measured on."""

    @property
    def says(self) -> bool:
        """Whether such a list is worth anybody's time."""
        return self.low > LENS_SAYS


@dataclass(frozen=True, eq=False, kw_only=True)
class Statistics:
    """How often and how strongly a feature fires over the whole corpus."""

    n_tokens: int
    """Tokens that were looked at; 0 where nobody says."""
    n_firing: int
    """Tokens on which it was active."""
    density: float | None
    """The share of tokens on which it was active; None where nobody says."""
    max_activation: float
    histogram: IntArray = field(repr=False)
    """[n_strata]: active tokens by log2 stratum of their activation."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """The contexts of some splits that are at hand for one feature, and for how many of the corpus each stands.

    Within each stratum of activation the contexts at hand are a uniform sample of all that the corpus has, so that
    ``weight`` is the stratum's population over the number at hand: the inverse of the inclusion probability.
    A silent context (stratum 0) was looked up and found inactive.
    """

    contexts: IntArray
    """[n] rows of the evidence store."""
    truth: FloatArray
    """[n, length] true activations, zero behind a context's end."""
    lengths: IntArray
    """[n] tokens in each context."""
    stratum: IntArray
    """[n] 0 where silent, else the log2 stratum of the strongest activation; of several splits each has strata of its own,
    in order of strength."""
    weight: NDArray[np.float64]
    """[n] contexts of the corpus that each one stands for."""

    def __len__(self) -> int:
        return len(self.contexts)

    def __repr__(self) -> str:
        return f"Frame({len(self)} contexts, {int(self.firing.sum())} of them firing)"

    @property
    def firing(self) -> NDArray[np.bool_]:
        """[n] whether the feature is active in each context."""
        return self.stratum > 0

    @functools.cached_property
    def mask(self) -> NDArray[np.bool_]:
        """[n, length] True on tokens, False behind a context's end."""
        return np.arange(self.truth.shape[1]) < self.lengths[:, None]

    def take(self, rows: Sequence[int] | IntArray, weight: NDArray[np.float64] | None = None) -> Frame:
        """The frame of some rows, with their own weights or with others."""
        at = np.asarray(rows, dtype=np.int64)
        return Frame(
            contexts=self.contexts[at],
            truth=self.truth[at],
            lengths=self.lengths[at],
            stratum=self.stratum[at],
            weight=self.weight[at] if weight is None else weight,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """All that is known about one feature before any label."""

    dictionary: str
    """The name under which the dictionary rests here."""
    index: int
    statistics: Statistics
    contexts: tuple[Context, ...]
    """Firing contexts at hand, of every split, strongest first."""
    scale: float | None = None
    """What strengths are told as shares of: the strongest that the feature ever is; None where it is the strongest that
    is shown, as with evidence that was there before (what was asked about it is asked in the same words again)."""
    population: IntArray
    """[n_splits, n_strata] contexts of the whole corpus by the split that their document's hash says, and by stratum;
    stratum 0 is silent."""
    promoted: tuple[tuple[str, float], ...] = ()
    """Tokens that the feature's direction makes likelier, with their logit weight, strongest first."""
    suppressed: tuple[tuple[str, float], ...] = ()
    """Tokens that it makes less likely."""
    lens: Lens | None = None
    """Whether such lists say anything of this dictionary's features; None where nobody measured."""
    near_duplicates: tuple[int, ...] = field(default=())
    """Features that point, or fire, almost as this one does."""
    nearest: tuple[tuple[int, float], ...] = ()
    """The closest features, near-duplicates or not: by the cosine of their directions, or by what share of where they
    fire they have in common."""
    near_misses: tuple[Context, ...] = ()
    """Contexts of the ``explain`` split that were looked up and found silent, though something speaks for them; only
    where they were asked for (``labeler.evidence.near_misses``)."""

    @property
    def telling(self) -> tuple[tuple[str, float], ...]:
        """The promoted tokens, where it was measured that such lists say anything, and with evidence that was there before
        this was measured at all."""
        if self.lens is None:
            return self.promoted if self.scale is None else ()
        return self.promoted if self.lens.says else ()

    @property
    def lists_say(self) -> bool | None:
        """Whether lists of promoted tokens tell this dictionary's features apart; None where nobody could measure it.

        People are shown them then, with that caveat; what a model is shown is ``telling``.
        """
        return None if self.lens is None else self.lens.says

    def __repr__(self) -> str:
        density = self.statistics.density
        often = "" if density is None else f", density {density:.3g}"
        return f"Evidence(feature {self.index} of {self.dictionary!r}, {len(self.contexts)} firing contexts{often})"

    def of(self, split: Split) -> tuple[Context, ...]:
        """The firing contexts of one split, strongest first; InputError where it is none."""
        one_of(split, "split", SPLITS)
        return tuple(context for context in self.contexts if context.split == split)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A candidate: what a feature means, and who says so."""

    label: str
    """At most 12 words; empty where the explainer sees no clear pattern."""
    description: str = ""
    """One sentence."""
    confidence: float | None = None
    """The explainer's own, 0 to 1."""
    explainer: str
    """How it was named on the command line: ``lexical``, ``anthropic:…``."""
    prompt: str | None = None
    """``name@version`` of the prompt that made it."""
    contexts: tuple[int, ...] = ()
    """The contexts that its maker was shown."""

    @property
    def text(self) -> str:
        """What is simulated: the label followed by the description."""
        return f"{self.label}. {self.description}" if self.description else self.label

    @property
    def unclear(self) -> bool:
        """Whether the answer was that there is no clear pattern."""
        return not self.label
