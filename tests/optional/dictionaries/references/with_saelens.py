"""Run by a Python that has sae-lens: its own dictionaries, and those of others that it reads.

python with_saelens.py FOLDER

What others made is written as it stands on the hub, and handed to sae-lens in the place of a download.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import sae_lens
import torch
from recording import FOLDER, OUT, D, N, X, finish, keep, numbers, randomise
from sae_lens import saes
from sae_lens.loading import pretrained_sae_loaders as loaders
from safetensors.torch import save_file

WEIGHTS = {"W_enc": (D, N), "W_dec": (N, D), "b_enc": (N,), "b_dec": (D,), "threshold": (N,)}


def own(case: str, kind: str, **settings: Any) -> None:
    """A case in SAELens' own format."""
    sae = getattr(saes, kind)(getattr(saes, f"{kind}Config")(d_in=D, d_sae=N, **settings))
    randomise(sae)
    sae.cfg.metadata.model_name, sae.cfg.metadata.hook_name = "tiny", "blocks.0.hook_resid_post"
    sae.save_model(FOLDER / case)
    acts = sae_lens.SAE.load_from_disk(FOLDER / case).encode(X)
    # Where inputs are normalised token by token, what SAELens decodes to depends on the token.
    by_token = settings.get("normalize_activations") in ("layer_norm", "constant_norm_rescale")
    keep(case, FOLDER / case, acts, None if by_token else sae.decode(sae.encode(X)))


def downloaded(repo_id: str, filename: str, subfolder: str = "", **_: object) -> str:
    """In the place of a download."""
    return str(FOLDER / "hub" / repo_id / subfolder / filename)


def hub(repo: str, folder: str) -> Path:
    """Where a repository's folder is written."""
    path = FOLDER / "hub" / repo / folder
    path.mkdir(parents=True)
    return path


def foreign(case: str, loader: str, repo: str, folder: str, **config: object) -> None:
    """A case in another format that SAELens reads, written before."""
    load = loaders.NAMED_PRETRAINED_SAE_LOADERS[loader]
    stated, state, _ = load(repo, folder, "cpu", False, {"dtype": "float32", **config})
    stated = loaders.handle_config_defaulting({**stated, "d_sae": N})
    sae = sae_lens.SAE.from_dict(stated)
    sae.load_state_dict(state)
    if stated["normalize_activations"] == "expected_average_only_in":
        sae.fold_activation_norm_scaling_factor(D**0.5 / 3.5)  # from its table of releases, else
    # Of embeddings, SAELens scales what features write and leaves the bias: nothing to agree with.
    out = None if "embedding" in case else sae.decode(sae.encode(X))
    keep(case, FOLDER / "hub" / repo / folder, sae.encode(X), out)


def gemma_scope() -> None:
    """Residual stream, transcoder, and embeddings."""
    for case, site, loader, folder in (
        ("residual", "res", "gemma_2", "layer_3/width_16k/average_l0_9"),
        ("transcoder", "transcoders", "gemma_2_transcoder", "layer_3/width_16k/average_l0_9"),
        ("embedding", "res", "gemma_2", "embedding/width_4k/average_l0_9"),
    ):
        repo = f"google/gemma-scope-2b-pt-{site}"
        arrays = {name: tensor.numpy() for name, tensor in numbers(WEIGHTS).items()}
        np.savez(hub(repo, folder) / "params.npz", **arrays)
        foreign(f"gemma-scope-{case}", loader, repo, folder, d_in=D, **({"d_out": D} if case == "transcoder" else {}))


def gemma_scope_2() -> None:
    """Residual stream, and a transcoder with a skip."""
    repo = "google/gemma-scope-2-1b-pt"
    for case in ("resid_post", "transcoder"):
        folder = f"{case}_all/layer_7_width_16k_l0_small"
        path = hub(repo, folder)
        tensors = numbers({name.lower(): shape for name, shape in WEIGHTS.items()})
        about = {"architecture": "jump_relu", "model_name": "gemma-v3-1b-pt", "affine_connection": case == "transcoder"}
        if case == "transcoder":
            tensors["affine_skip_connection"] = torch.randn(D, D)
        save_file(tensors, path / "params.safetensors")
        (path / "config.json").write_text(json.dumps({**about, "hf_hook_point_in": "model.layers.7.output"}))
        foreign(f"gemma-scope-2-{case}", "gemma_3", repo, folder)


def llama_scope() -> None:
    """Residual stream."""
    repo, folder = "fnlp/Llama3_1-8B-Base-LXR-8x", "Llama3_1-8B-Base-L8R-8x"
    path = hub(repo, folder)
    (path / "checkpoints").mkdir()
    shapes = {"encoder.weight": (N, D), "encoder.bias": (N,), "decoder.weight": (D, N), "decoder.bias": (D,)}
    save_file(numbers(shapes), path / "checkpoints/final.safetensors")
    stated = {
        "d_model": D,
        "d_sae": N,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.4,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": 3.5, "out": 3.5},
        "hook_point_in": "blocks.8.hook_resid_post",
        "hook_point_out": "blocks.8.hook_resid_post",
    }
    (path / "hyperparams.json").write_text(json.dumps(stated))
    foreign("llama-scope", "llama_scope", repo, folder)


def batchtopk() -> None:
    """As it is saved when training ends, and as it is saved before: both count by the threshold."""
    sae = sae_lens.BatchTopKTrainingSAE(sae_lens.BatchTopKTrainingSAEConfig(d_in=D, d_sae=N, k=7))
    randomise(sae)
    sae.topk_threshold = torch.tensor(0.4, dtype=torch.double)
    sae.save_model(FOLDER / "batchtopk-unfinished")
    sae.save_inference_model(FOLDER / "batchtopk-finished")
    finished = sae_lens.SAE.load_from_disk(FOLDER / "batchtopk-finished")
    for case in ("batchtopk-finished", "batchtopk-unfinished"):
        keep(case, FOLDER / case, finished.encode(X), finished.decode(finished.encode(X)))


loaders.hf_hub_download = downloaded
loaders.get_safetensors_tensor_shapes = lambda repo_id, filename: {"w_enc": [D, N], "w_dec": [N, D]}

for norm in ("none", "layer_norm", "constant_norm_rescale", "expected_average_only_in"):
    for taken_off in (True, False):
        settings = {"normalize_activations": norm, "apply_b_dec_to_input": taken_off}
        own(f"standard-{norm}-{taken_off}", "StandardSAE", **settings)
own("jumprelu", "JumpReLUSAE", apply_b_dec_to_input=False)
own("gated", "GatedSAE")
own("topk", "TopKSAE", k=9)
own("topk-rescaled", "TopKSAE", k=9, rescale_acts_by_decoder_norm=True, normalize_activations="layer_norm")
for kind in ("Transcoder", "SkipTranscoder", "JumpReLUTranscoder", "JumpReLUSkipTranscoder"):
    own(kind, kind, d_out=OUT, apply_b_dec_to_input=False)
batchtopk()
gemma_scope()
gemma_scope_2()
llama_scope()
finish()
