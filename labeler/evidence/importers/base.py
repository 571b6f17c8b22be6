"""What every foreign format is brought to: features with windows of tokens and activations, tidied and cut into contexts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from labeler.evidence.importers.tokens import Spelling, is_mark
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


def cut(window: ForeignWindow, length: int = 32) -> list[ForeignWindow]:
    """The window in consecutive pieces of at most ``length`` tokens, which joined give it back; whole where it is no longer.

    The strongest token (the first of equals) stands three quarters into a piece of full length, as far as the window's
    ends allow; what is before and behind that piece is cut evenly. Pieces keep the window's document and stratum.
    """
    n = len(window.tokens)
    if n <= length:
        return [window]
    peak = int(window.activations.argmax())
    start = min(max(peak - 3 * length // 4, 0), n - length)
    ends = [*_even(0, start, length), *_even(start, start + length, length), *_even(start + length, n, length), n]
    return [replace(window, tokens=window.tokens[a:b], activations=window.activations[a:b]) for a, b in pairwise(ends)]


def _even(start: int, stop: int, length: int) -> list[int]:
    """Where the fewest pieces of at most ``length`` begin that fill a stretch and differ by one token at most."""
    count = -(-(stop - start) // length)
    return [start + i * (stop - start) // count for i in range(count)]


_RUN = 1 << 20
"""Tokens of the features that are looked at together …"""

_FEATURES = 1 << 12
"""… or how many features, where they hold few tokens or none."""


def tidy(features: Iterable[ForeignFeature]) -> Iterator[ForeignFeature]:
    """Features with their windows cut where documents meet, their tokens cleaned, and each window once.

    Of a window that holds several documents every piece becomes a window of its own, and of one that holds none (no token,
    or only marks) none does. How tokens are spelled is found over runs of features that hold a million tokens together,
    which is also what stays in memory. A ``max_activation`` below what the windows show is raised to that; a density of
    exactly 0 on a feature that fires is no density (exporters write it where they know none).
    """
    run, held = [], 0
    for feature in features:
        cut = tuple(piece for window in feature.windows for piece in pieces(window))
        run.append(replace(feature, windows=cut))
        held += sum(len(window.tokens) for window in cut)
        if held >= _RUN or len(run) >= _FEATURES:
            yield from _tidy(run)
            run, held = [], 0
    yield from _tidy(run)


def distinct(windows: Iterable[ForeignWindow]) -> tuple[ForeignWindow, ...]:
    """The windows without doubles, the first of each kept: the same tokens and activations in the same document."""
    kept: dict[tuple[object, ...], ForeignWindow] = {}
    for window in windows:
        kept.setdefault((window.tokens, window.activations.tobytes(), window.document), window)
    return tuple(kept.values())


def pieces(window: ForeignWindow) -> list[ForeignWindow]:
    """The window cut at the marks between documents, which are left out.

    Where the window names its document the pieces keep the name: windows of one source stay together, which is the safe side.
    """
    marks = [i for i, token in enumerate(window.tokens) if is_mark(token)]
    if not marks:
        return [window] if window.tokens else []
    return [
        replace(window, tokens=window.tokens[start:stop], activations=window.activations[start:stop])
        for start, stop in zip([0, *(i + 1 for i in marks)], [*marks, len(window.tokens)], strict=True)
        if start < stop
    ]


def _tidy(run: list[ForeignFeature]) -> Iterator[ForeignFeature]:
    logits = [token for feature in run for token, _ in (*feature.promoted, *feature.suppressed)]
    spelling = Spelling([*(window.tokens for feature in run for window in feature.windows), *((t,) for t in logits)])

    def cleaned(pairs: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        return tuple((spelling.clean((token,))[0], value) for token, value in pairs)

    for feature in run:
        windows = distinct(replace(window, tokens=spelling.clean(window.tokens)) for window in feature.windows)
        peak = max((float(window.activations.max()) for window in windows), default=0.0)
        yield replace(
            feature,
            windows=windows,
            promoted=cleaned(feature.promoted),
            suppressed=cleaned(feature.suppressed),
            density=None if feature.density == 0 and peak > 0 else feature.density,
            max_activation=None if feature.max_activation is None else max(feature.max_activation, peak),
        )
