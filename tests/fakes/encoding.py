"""A sentence encoder that no model is needed for: each word has a direction, words of one first letter nearly the same."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from labeler.models import encoder
from labeler.simulators import embedding

WIDTH = 384


def direction(text: str) -> np.ndarray:
    """The unit vector of a text: the mean of its words'."""
    words = text.lower().split() or [""]
    found = np.zeros(WIDTH)
    for word in words:
        for part in (word[:1], word):
            found += np.random.default_rng(zlib.crc32(part.encode())).normal(size=WIDTH)
    return found / np.linalg.norm(found)


class FakeEncoder:
    """As the true one is called."""

    width = WIDTH

    def __init__(self) -> None:
        self.texts_made: list[str] = []
        self.contexts_made: list[str] = []

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts_made += texts
        return np.stack([direction(text) for text in texts]).astype(np.float32)

    def tokens(self, texts: Sequence[str], ends: Sequence[Any], length: int) -> np.ndarray:
        """A token's state leans towards what its context as a whole says."""
        self.contexts_made += texts
        found = np.zeros((len(texts), length, WIDTH))
        for row, (text, stops) in enumerate(zip(texts, ends, strict=True)):
            for at, (begin, end) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
                state = direction(text[begin:end]) + 0.5 * direction(text)
                found[row, at] = state / np.linalg.norm(state)
        return found.astype(np.float16)


def install(patch: pytest.MonkeyPatch, cache: Any) -> FakeEncoder:
    """Put it in the place of the true one, and what is kept of it into a cache of its own."""
    made = FakeEncoder()
    patch.setenv("XDG_CACHE_HOME", str(cache))
    patch.setattr(encoder, "load_encoder", lambda: made)
    patch.setattr(embedding, "_vectors", embedding._Texts())
    patch.setattr(embedding, "_ordinary", lambda: 0.1 * direction("ordinary words").astype(np.float32))
    return made
