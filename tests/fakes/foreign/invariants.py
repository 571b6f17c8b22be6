"""All that ``ForeignFeature`` promises, as assertions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from labeler.evidence.importers.base import MAX_INDEX, ForeignFeature, ForeignWindow, Origin
from labeler.evidence.importers.tokens import is_mark


def check_features(origin: Origin, features: Sequence[ForeignFeature]) -> None:
    """Whether all that was read is as it must be."""
    for text in (origin.format, origin.model, origin.hook, origin.corpus):
        check_text(text)
    assert origin.n_tokens is None or (type(origin.n_tokens) is int and origin.n_tokens > 0)
    indices = [feature.index for feature in features]
    assert len(set(indices)) == len(indices)
    for feature in features:
        check_feature(feature)


def check_feature(feature: ForeignFeature) -> None:
    """Whether one feature is as it must be."""
    assert type(feature.index) is int
    assert 0 <= feature.index <= MAX_INDEX
    for window in feature.windows:
        check_window(window)
    keys = {(window.tokens, window.activations.tobytes(), window.document) for window in feature.windows}
    assert len(keys) == len(feature.windows)

    at_hand = Counter(window.stratum for window in feature.windows)
    assert set(at_hand) <= (set(feature.population) if feature.population else {None})
    for stratum, count in feature.population.items():
        check_text(stratum)
        assert type(count) is int
        assert count >= at_hand[stratum]

    for pairs, sign in ((feature.promoted, 1), (feature.suppressed, -1)):
        for token, value in pairs:
            check_text(token)
            check_number(value)
        values = [sign * value for _, value in pairs]
        assert values == sorted(values, reverse=True)
    for index, cosine in feature.nearest:
        assert type(index) is int
        assert 0 <= index <= MAX_INDEX
        assert index != feature.index
        check_number(cosine)
    if feature.density is not None:
        check_number(feature.density)
        assert 0 <= feature.density <= 1
    if feature.max_activation is not None:
        check_number(feature.max_activation)
        assert all(float(window.activations.max()) <= feature.max_activation for window in feature.windows)


def check_window(window: ForeignWindow) -> None:
    """Whether one window is as it must be."""
    assert type(window.tokens) is tuple
    assert len(window.tokens) >= 1
    assert window.activations.shape == (len(window.tokens),)
    assert window.activations.dtype == np.float32
    assert np.isfinite(window.activations).all()
    assert not np.signbit(window.activations).any()
    assert not any(map(is_mark, window.tokens))
    for text in (*window.tokens, window.document, window.stratum):
        if text is not None:
            check_text(text)


def check_text(text: str) -> None:
    """Whether JSON, UTF-8 and C can carry a text."""
    assert type(text) is str
    assert "\0" not in text
    text.encode("utf-8")


def check_number(value: float) -> None:
    """Whether a number is a finite float."""
    assert type(value) is float
    assert math.isfinite(value)
