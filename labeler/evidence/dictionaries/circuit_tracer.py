"""Transcoders as circuit-tracer saves them: ``config.yaml`` and a ``layer_{i}.safetensors`` for every layer."""

from __future__ import annotations

import re
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Threshold
from labeler.evidence.dictionaries.base import Dictionary, Family, Linear
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import read_safetensors

_LAYER = re.compile(r"^layer_(\d{1,4})\.safetensors$")
_THRESHOLDS = ("activation_function.threshold", "threshold")


def read(path: Path) -> Dictionary:
    """Read the transcoder of one layer by its file; ReLU, or JumpReLU where it has thresholds.

    Model and hook points come from the ``config.yaml`` beside it, where there is one. Raises InputError where something
    does not fit.
    """
    weights = read_safetensors(path)
    weights.need("W_enc", "W_dec", "b_enc", "b_dec", kind="a circuit-tracer transcoder")
    if "log_thresholds" in weights:
        raise InputError(f"{path}: log_thresholds are not read; expected activation_function.threshold, or neither")
    W_enc, W_dec = weights.matrix("W_enc").T, weights.matrix("W_dec")
    n, d_out = W_enc.shape[1], W_dec.shape[1]
    file = path.with_name("config.yaml")
    config = Config.read_yaml(file, "a circuit-tracer configuration") if file.is_file() else Config(file, {})
    threshold = next((weights.take(name, n) for name in _THRESHOLDS if name in weights), 0.0)
    hook, hook_out = (_hook(path, config.text(key)) for key in ("feature_input_hook", "feature_output_hook"))
    return Dictionary(
        W_dec=weights.take("W_dec", n, d_out),
        b_dec=weights.take("b_dec", d_out),
        encoder=Linear(W_enc, weights.take("b_enc", n)),
        activation=Threshold(threshold),
        model=config.text("model_name"),
        hook=hook,
        hook_out=hook_out if hook_out != hook else "",
    ).check(path)


def _hook(path: Path, within: str) -> str:
    """A hook point within a layer, at the layer that the file is named after."""
    layer = _LAYER.match(path.name)
    return f"blocks.{layer[1]}.{within}" if layer and within else ""


FAMILY = Family("layer_*.safetensors", read, beside=("config.yaml",))
