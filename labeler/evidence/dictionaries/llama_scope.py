"""Llama Scope (He et al., arXiv 2410.20526): ``hyperparams.json`` and ``checkpoints/final.safetensors``."""

from __future__ import annotations

import math
import re
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Threshold
from labeler.evidence.dictionaries.base import Dictionary, Family, Input, Linear
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import read_safetensors

_MODEL = re.compile(r"Llama3_1-8B-(Base|Instruct)")


def read(path: Path) -> Dictionary:
    """Read a Llama Scope folder by its weights' file.

    Inputs are scaled to a mean norm of sqrt(d_model), outputs scaled back; the threshold is stated in the units of the
    raw input, and scaled with it. Raises InputError where something does not fit.
    """
    folder = path.absolute().parent.parent
    config = Config.read(folder / "hyperparams.json", "Llama Scope hyperparameters")
    if config.text("act_fn") != "jumprelu" or config.flag("use_glu_encoder"):
        raise InputError(f"{config.path}: act_fn {Config.shown(config.text('act_fn'))} is not read; known: jumprelu")
    weights = read_safetensors(path)
    weights.need("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias", kind="a Llama Scope dictionary")
    W_enc = weights.matrix("encoder.weight").T
    d, n = W_enc.shape
    if (d, n) != (config.whole("d_model"), config.whole("d_sae")):
        said = Config.shown([config.whole("d_sae"), config.whole("d_model")])
        raise InputError(f"{folder}: encoder.weight has shape {[n, d]}, but hyperparams.json says {said}")
    scale_in, scale_out = (_scale(config, side, d) for side in ("in", "out"))
    b_dec = weights.take("decoder.bias", d)
    hook, hook_out = config.text("hook_point_in"), config.text("hook_point_out")
    model = _MODEL.search(folder.as_posix())
    return Dictionary(
        W_dec=weights.take("decoder.weight", d, n).T / scale_out,
        b_dec=b_dec / scale_out,
        encoder=Linear(W_enc, weights.take("encoder.bias", n)),
        activation=Threshold(config.number("jump_relu_threshold") * scale_in),
        input=Input(scale=scale_in, shift=b_dec if config.flag("apply_decoder_bias_to_pre_encoder") else None),
        model=f"meta-llama/Llama-3.1-8B{'-Instruct' * (model[1] == 'Instruct')}" if model else "",
        hook=hook,
        hook_out=hook_out if hook_out != hook else "",
    ).check(folder)


def _scale(config: Config, side: str, d: int) -> float:
    """What brings the mean norm of a side's activations to sqrt(d_model)."""
    if config.text("norm_activation") == "inference":  # the norms are in the weights already
        return 1.0
    norms = config.section("dataset_average_activation_norm")
    if norms.number(side) <= 0:
        raise InputError(f"{config.path}: dataset_average_activation_norm.{side} must be more than 0")
    return math.sqrt(d) / norms.number(side)


FAMILY = Family("checkpoints/final.safetensors", read, beside=("hyperparams.json",))
