"""Run by a Python that has sae-lens: autoencoders in memory, in training and not, against what labeler makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sae_lens
import torch
from recording import FOLDER, OUT, D, N, X, finish, keep, randomise
from sae_lens import saes
from safetensors.torch import save_file

from labeler.evidence.dictionaries.saelens import lacking, of_object


def compared(case: str, sae: Any, expected: Any) -> None:
    """What labeler computes is kept in the place of a dictionary, beside what SAELens computes."""
    assert not lacking(sae), case
    found = of_object(sae)
    assert (found.model, found.hook) == ("tiny", "blocks.0.hook_resid_post"), case
    save_file({"acts": found.encode(X)}, FOLDER / f"{case}.found")
    keep(case, Path(f"{case}.found"), expected)


def made(kind: str, **settings: Any) -> Any:
    """One of SAELens's classes with random weights."""
    sae = getattr(saes, kind)(getattr(saes, f"{kind}Config")(d_in=D, d_sae=N, **settings))
    randomise(sae)
    sae.cfg.metadata.model_name, sae.cfg.metadata.hook_name = "tiny", "blocks.0.hook_resid_post"
    return sae


for norm in ("none", "layer_norm", "constant_norm_rescale"):
    for taken_off in (True, False):
        sae = made("StandardSAE", normalize_activations=norm, apply_b_dec_to_input=taken_off)
        compared(f"standard-{norm}-{taken_off}", sae, sae.encode(X))
for kind, settings in (
    ("JumpReLUSAE", {"apply_b_dec_to_input": False}),
    ("GatedSAE", {}),
    ("TopKSAE", {"k": 9, "rescale_acts_by_decoder_norm": True}),
    ("JumpReLUTranscoder", {"d_out": OUT, "apply_b_dec_to_input": False}),
    ("StandardTrainingSAE", {}),
    ("JumpReLUTrainingSAE", {}),
    ("TopKTrainingSAE", {"k": 9}),
):
    sae = made(kind, **settings)
    compared(kind, sae, sae.encode(X))
batch = made("BatchTopKTrainingSAE", k=7)
batch.topk_threshold = torch.tensor(0.4, dtype=torch.double)
batch.save_inference_model(FOLDER / "finished")  # it is used by its threshold, whatever it does in training
compared("BatchTopKTrainingSAE", batch, sae_lens.SAE.load_from_disk(FOLDER / "finished").encode(X))
finish()
