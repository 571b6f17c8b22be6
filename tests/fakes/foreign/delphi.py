"""A small cache on disk, as Delphi 0.1.3 writes it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors.numpy import load_file, save_file

N_SEQUENCES, LENGTH, N_FEATURES = 6, 16, 10


def some_tokens(seed: int = 0) -> NDArray[np.int64]:
    """[n_sequences, length] ids of a small vocabulary, all of them the tiny tokenizer's."""
    return np.random.default_rng(seed).integers(0, 290, (N_SEQUENCES, LENGTH))


def some_activations(seed: int = 0) -> NDArray[np.float16]:
    """[n_sequences, length, n_features], a fifth of them above zero; every feature is active somewhere."""
    random = np.random.default_rng(seed)
    dense = random.uniform(0.1, 60, (N_SEQUENCES, LENGTH, N_FEATURES)) * (random.random((1, 1, N_FEATURES)) + 0.5)
    return np.where(random.random(dense.shape) < 0.2, dense, 0).astype(np.float16)


def save_delphi(
    run: Path,
    dense: NDArray[np.floating] | None = None,
    tokens: NDArray[np.integer] | None = None,
    *,
    hook: str = "layers.0",
    splits: int = 3,
    model: str = "tiny",
    locations: DTypeLike = np.uint16,
    activations: DTypeLike = np.float16,
) -> Path:
    """Write dense [n_sequences, length, n_features] under ``run/latents/{hook}`` in shards; returns that folder."""
    dense = some_activations() if dense is None else dense
    tokens = some_tokens() if tokens is None else tokens
    folder = run / "latents" / hook
    folder.mkdir(parents=True)
    edges = np.linspace(0, dense.shape[2], splits + 1).astype(int).tolist()
    for start, after in itertools.pairwise(edges):
        part = dense[:, :, start:after]
        tensors = {
            "locations": np.ascontiguousarray(np.argwhere(part), dtype=locations),
            "activations": part[part != 0].astype(activations),
            "tokens": tokens,
        }
        save_file(tensors, folder / f"{start}_{after - 1}.safetensors")
    (folder / "config.json").write_text(json.dumps({"dataset_repo": "text", "n_splits": splits, "model_name": model}))
    return folder


def replace(file: Path, **tensors: NDArray) -> None:
    """Write a shard again with some of its tensors replaced."""
    save_file({**load_file(file), **tensors}, file)
