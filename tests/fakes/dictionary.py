"""A small dictionary on disk, as SAELens writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def weights(d_model: int = 32, n: int = 64, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of the right shapes."""
    generator = torch.Generator().manual_seed(seed)
    W_dec = torch.nn.functional.normalize(torch.randn(n, d_model, generator=generator), dim=-1)
    return {
        "W_enc": W_dec.T.contiguous(),
        "W_dec": W_dec,
        "b_enc": torch.zeros(n),
        "b_dec": torch.zeros(d_model),
    }


def save_dictionary(folder: Path, tensors: dict[str, torch.Tensor] | None = None, **config: Any) -> Path:
    """Write a TopK dictionary; ``config`` replaces what its configuration says."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = weights() if tensors is None else tensors
    save_file(tensors, folder / "sae_weights.safetensors")
    stated = {
        "architecture": "topk",
        "d_in": 32,
        "d_sae": 64,
        "k": 4,
        "apply_b_dec_to_input": True,
        "metadata": {"model_name": "tiny", "hook_name": "blocks.0.hook_resid_post", "sae_lens_version": "6.0.0"},
    }
    (folder / "cfg.json").write_text(json.dumps({**stated, **config}))
    return folder
