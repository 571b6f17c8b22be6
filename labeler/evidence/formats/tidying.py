"""Features as a file has them, brought to what ``ForeignFeature`` promises: the same for every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labeler.evidence.formats.base import ForeignFeature, ForeignWindow
from labeler.evidence.formats.marks import is_mark
from labeler.evidence.formats.spelling import Spelling

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
