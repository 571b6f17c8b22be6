"""What every foreign format is brought to: features with windows of tokens and activations, as their maker kept them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from labeler.features import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class ForeignWindow:
    """Consecutive tokens of one text, with one feature's activation on each."""

    tokens: tuple[str, ...]
    """At least one; joined they give the text, cleaned of what a tokenizer puts in its place (Ġ, ▁, Ċ).

    None of them parts documents (``<bos>``). Of several that make one character the first has it, the others are empty.
    """
    activations: FloatArray
    """[n_tokens] finite; non-negative: what a file has below zero is 0 here."""
    document: str | None = None
    """The source that it was cut from, where the format says."""
    stratum: str | None = None
    """The part of the population that it was drawn from, where the format counts populations."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ForeignFeature:
    """One feature as a foreign file has it."""

    index: int
    """0 to MAX_INDEX."""
    windows: tuple[ForeignWindow, ...]
    """Without doubles; none for a feature of which a file says that it is there, but shows nothing."""
    population: Mapping[str, int] = field(default_factory=dict)
    """Contexts of the whole corpus by stratum; empty where the format has no counts. Every window then has a stratum."""
    promoted: tuple[tuple[str, float], ...] = ()
    """Tokens that it makes likelier, strongest first."""
    suppressed: tuple[tuple[str, float], ...] = ()
    density: float | None = None
    """The share of tokens on which it is active."""
    max_activation: float | None = None
    """Over the whole corpus; None where only the windows say."""
    nearest: tuple[tuple[int, float], ...] = ()
    """Features whose direction is close, with the cosine, where the format says."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where foreign evidence comes from, as far as the files say."""

    format: str
    """The format's name for people: ``Neuronpedia export``."""
    model: str = ""
    hook: str = ""
    """The hook point, or the name of the source where there is no more."""
    corpus: str = ""
    n_tokens: int | None = None
    """Tokens of the corpus over which densities were taken."""


class Foreign(Protocol):
    """An opened foreign folder or file."""

    @property
    def origin(self) -> Origin:
        """What the files say of where they come from."""
        ...

    def features(self) -> Iterator[ForeignFeature]:
        """Every feature once, a file at a time in memory. Raises InputError naming the file and place of what is wrong."""
        ...


class Format(Protocol):
    """A format: looks at a path, and opens it where it is of its kind."""

    @property
    def name(self) -> str:
        """For people: ``Neuronpedia export``."""
        ...

    def __call__(self, path: Path) -> Foreign | None:
        """The opened evidence; None where the path holds another format; InputError where it is of this one but damaged."""
        ...


MAX_INDEX = 2**31 - 1
"""The largest index of a feature."""
