"""Collections that take no time: small pieces of a corpus, and states of noise that nobody keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labeler.evidence.collect import forward as passing
from tests.fakes.shallow_encoder import shallow_encoder


@contextmanager
def quick_collections(cache: Path, piece_tokens: int) -> Iterator[None]:
    """While it lasts, pieces are of so many tokens, for all collections the same: batches of other shapes round otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passing, "PIECE_TOKENS", piece_tokens)
        patch.setenv("XDG_CACHE_HOME", str(cache))  # what means nothing must not be kept
        patch.setattr("labeler.models.encoder.load_encoder", shallow_encoder)
        yield
