"""Small dictionaries on disk, one writer a family, by hand: no family's own code is used."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

D, N = 32, 64


def weights(d_model: int = D, n: int = N, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of the right shapes."""
    generator = torch.Generator().manual_seed(seed)
    W_dec = torch.nn.functional.normalize(torch.randn(n, d_model, generator=generator), dim=-1)
    return {
        "W_enc": W_dec.T.contiguous(),
        "W_dec": W_dec,
        "b_enc": torch.zeros(n),
        "b_dec": torch.zeros(d_model),
    }


def random_weights(d_model: int = D, n: int = N, seed: int = 0) -> dict[str, Tensor]:
    """Weights without any regularity: decoder rows of any length, biases everywhere, a threshold a feature."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(*shape, generator=generator)

    return {
        "W_enc": normal(d_model, n, scale=d_model**-0.5),
        "W_dec": normal(n, d_model, scale=d_model**-0.5),
        "b_enc": normal(n, scale=0.3),
        "b_dec": normal(d_model),
        "threshold": normal(n, scale=0.5).abs(),
    }


def gate(n: int = N) -> dict[str, Tensor]:
    """What a gated dictionary has in the place of b_enc, as SAELens names it."""
    generator = torch.Generator().manual_seed(7)
    return {name: 0.3 * torch.randn(n, generator=generator) for name in ("b_gate", "r_mag", "b_mag")}


def inputs(n: int = 50, d_model: int = D) -> Tensor:
    """Activations to encode."""
    return 2 * torch.randn(n, d_model, generator=torch.Generator().manual_seed(99))


def save_dictionary(folder: Path, tensors: dict[str, Tensor] | None = None, **config: Any) -> Path:
    """Write a SAELens dictionary, TopK; ``config`` replaces what its configuration says."""
    tensors = weights() if tensors is None else tensors
    stated = {
        "architecture": "topk",
        "d_in": D,
        "d_sae": N,
        "k": 4,
        "apply_b_dec_to_input": True,
        "metadata": {"model_name": "tiny", "hook_name": "blocks.0.hook_resid_post", "sae_lens_version": "6.0.0"},
    }
    save_safetensors(folder / "sae_weights.safetensors", tensors)
    return save_json(folder / "cfg.json", {**stated, **config}).parent


def save_safetensors(path: Path, tensors: dict[str, Tensor]) -> Path:
    """Write tensors and the folders that they need."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    return path


def save_json(path: Path, value: object) -> Path:
    """Write a configuration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def save_torch(path: Path, value: object) -> Path:
    """Write what torch.save writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)
    return path


def save_sparsify(folder: Path, *, skip: bool = False, **config: Any) -> Path:
    """Write a sparsify dictionary, with a ``skip`` or without; ``config`` replaces what its configuration says."""
    w = random_weights()
    tensors = {"encoder.weight": w["W_enc"].T, "encoder.bias": w["b_enc"], "W_dec": w["W_dec"], "b_dec": w["b_dec"]}
    tensors |= {"W_skip": torch.zeros(D, D)} if skip else {}
    save_safetensors(folder / "sae.safetensors", tensors)
    stated = {"activation": "topk", "expansion_factor": N // D, "normalize_decoder": True, "num_latents": 0, "k": 8}
    save_json(folder / "cfg.json", {**stated, "d_in": D, "transcode": False, **config})
    return folder


def dictionary_learning_state(kind: str) -> dict[str, Tensor]:
    """What a class of dictionary_learning saves."""
    w, g = random_weights(), gate()
    linear = {"encoder.weight": w["W_enc"].T, "decoder.weight": w["W_dec"].T}
    biased = {**linear, "encoder.bias": w["b_enc"]}
    counted = {"k": torch.tensor(8, dtype=torch.int), "threshold": torch.tensor(0.7)}
    plain = {name: w[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    return {
        "AutoEncoder": {**biased, "bias": w["b_dec"]},
        "AutoEncoderNew": {**biased, "decoder.bias": w["b_dec"]},
        "AutoEncoderTopK": {**biased, "b_dec": w["b_dec"], **counted},
        "BatchTopKSAE": {**biased, "b_dec": w["b_dec"], **counted},
        "MatryoshkaBatchTopKSAE": {**plain, **counted, "group_sizes": torch.tensor([N // 2, N // 2])},
        "JumpReluAutoEncoder": {**plain, "threshold": w["threshold"]},
        "GatedAutoEncoder": {
            **linear,
            "decoder_bias": w["b_dec"],
            "r_mag": g["r_mag"],
            "gate_bias": g["b_gate"],
            "mag_bias": g["b_mag"],
        },
    }[kind]


def save_dictionary_learning(folder: Path, kind: str = "BatchTopKSAE", **trainer: Any) -> Path:
    """Write a dictionary_learning dictionary with its configuration."""
    stated = {"dict_class": kind, "lm_name": "tiny", "layer": 1, "submodule_name": "resid_post_layer_1", "k": 8}
    save_json(folder / "config.json", {"trainer": {**stated, **trainer}, "buffer": {"io": "out"}})
    return save_torch(folder / "ae.pt", dictionary_learning_state(kind)).parent


def save_gemma_scope(folder: Path) -> Path:
    """Write a Gemma Scope dictionary."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in random_weights().items()})
    return folder


def save_gemma_scope_2(folder: Path, **config: Any) -> Path:
    """Write a Gemma Scope 2 dictionary; ``config`` replaces what its configuration says."""
    tensors = {name.lower(): tensor for name, tensor in random_weights().items()}
    save_safetensors(folder / "params.safetensors", tensors)
    stated = {"architecture": "jump_relu", "model_name": "gemma-v3-1b-pt", "hf_hook_point_in": "model.layers.7.output"}
    save_json(folder / "config.json", {**stated, "width": N, "l0": 10, **config})
    return folder


def save_llama_scope(folder: Path, **config: Any) -> Path:
    """Write a Llama Scope dictionary; ``config`` replaces what its hyperparameters say."""
    w = random_weights()
    tensors = {
        "encoder.weight": w["W_enc"].T,
        "encoder.bias": w["b_enc"],
        "decoder.weight": w["W_dec"].T,
        "decoder.bias": w["b_dec"],
    }
    save_safetensors(folder / "checkpoints/final.safetensors", tensors)
    stated = {
        "d_model": D,
        "d_sae": N,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.2,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": 3.5, "out": 2.5},
        "apply_decoder_bias_to_pre_encoder": False,
        "hook_point_in": "blocks.8.hook_resid_post",
        "hook_point_out": "blocks.8.hook_resid_post",
        "top_k": 50,
    }
    save_json(folder / "hyperparams.json", {**stated, **config})
    return folder


def save_openai(path: Path, **changed: Any) -> Path:
    """Write an OpenAI autoencoder; ``changed`` replaces parts of its state."""
    w = random_weights()
    state: OrderedDict[str, Any] = OrderedDict(
        {
            "pre_bias": w["b_dec"],
            "encoder.weight": w["W_enc"].T,
            "latent_bias": w["b_enc"],
            "decoder.weight": w["W_dec"].T,
            "stats_last_nonzero": torch.zeros(N, dtype=torch.long),
            "activation": "TopK",
            "activation_state_dict": OrderedDict({"k": 8, "postact_fn": "ReLU"}),
        }
    )
    state.update(changed)
    return save_torch(path, state)


def save_circuit_tracer(folder: Path, layers: int = 1, thresholds: bool = True) -> Path:
    """Write a circuit-tracer set of transcoders."""
    for layer in range(layers):
        w = random_weights(seed=layer)
        tensors = {"W_enc": w["W_enc"].T, "W_dec": w["W_dec"], "b_enc": w["b_enc"], "b_dec": w["b_dec"]}
        if thresholds:
            tensors["activation_function.threshold"] = w["threshold"]
        save_safetensors(folder / f"layer_{layer}.safetensors", tensors)
    (folder / "config.yaml").write_text(
        "model_name: org/tiny\nmodel_kind: transcoder_set\n"
        "feature_input_hook: mlp.hook_in\nfeature_output_hook: hook_mlp_out\nscan: null\n"
    )
    return folder


EVERY: dict[str, Callable[[Path], Path]] = {
    "SAELens": save_dictionary,
    "sparsify": save_sparsify,
    "dictionary_learning": save_dictionary_learning,
    "Gemma Scope": save_gemma_scope,
    "Gemma Scope 2": save_gemma_scope_2,
    "Llama Scope": save_llama_scope,
    "circuit-tracer": save_circuit_tracer,
    "OpenAI": lambda folder: save_openai(folder / "8.pt").parent,
}
"""A writer of every family that has files: given a folder, it returns what to load."""
