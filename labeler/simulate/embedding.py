"""Simulation by a sentence encoder: how close each token's state is to the explanation's vector."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from labeler.errors import MissingExtraError
from labeler.evidence.store import Material
from labeler.features import FloatArray
from labeler.models.names import MINILM, encoder_available

SHARPNESS = 4
"""The power that a cosine is raised to: activations are sparse, cosines are not."""


def ordinary_labels() -> list[str]:
    """The labels whose mean is taken off every label's vector, shipped so that a score never depends on a catalogue."""
    lines = files("labeler.simulate").joinpath("ordinary_labels.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@functools.lru_cache(maxsize=1)
def _ordinary() -> NDArray[np.float32]:
    from labeler.models.encoder import load_encoder

    return np.asarray(load_encoder().texts(ordinary_labels()).mean(axis=0), dtype=np.float32)


@functools.lru_cache(maxsize=4096)
def _vector(text: str) -> NDArray[np.float32]:
    from labeler.models.encoder import load_encoder

    return load_encoder().texts([text])[0]


def directions(texts: Sequence[str]) -> NDArray[np.float32]:
    """What is particular to each text: its vector less the mean of ordinary labels, [n, width]."""
    return np.stack([_vector(text) for text in texts]) - _ordinary()


class EmbeddingSimulator:
    """max(0, cos(token, label) - mean over ordinary labels of cos(token, ·)) to the fourth power."""

    name = "embedding"
    source = MINILM
    free = True
    prompt: str | None = None

    def __init__(self) -> None:
        """Raises MissingExtraError where the encoder cannot run."""
        if not encoder_available():
            raise MissingExtraError(f"the sentence encoder '{MINILM}'", "local")

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol; encodes the texts, looks up the contexts."""
        return await asyncio.to_thread(self._predict, texts, material)

    def _predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        wanted = directions(texts).T
        found = np.empty((len(texts), len(material), material.length), dtype=np.float32)
        for start in range(0, len(material), 1024):  # states are half precision on disk: convert a slice at a time
            part = Material(material.store, material.at[start : start + 1024])
            cosines = part.states().astype(np.float32) @ wanted
            found[:, start : start + len(part)] = np.moveaxis(np.maximum(cosines, 0.0) ** SHARPNESS, -1, 0)
        return found


def context_guide(text: str, material: Material) -> NDArray[np.float64]:
    """The cosine of each context's mean state with an explanation: [n]; a label's guess at where its feature fires."""
    means = material.means().astype(np.float32)
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    return np.asarray(unit @ _vector(text), dtype=np.float64)
