"""Gemma Scope 2: ``params.safetensors`` and ``config.json``; dictionaries and transcoders of Gemma 3."""

from __future__ import annotations

import re
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Threshold
from labeler.evidence.dictionaries.base import Dictionary, Family, Linear
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import read_safetensors

_MODULE = re.compile(r"^model\.layers\.(\d{1,4})\.(.+)$")
_HOOKS = {
    "output": "hook_resid_post",
    "self_attn.o_proj.input": "attn.hook_z",
    "pre_feedforward_layernorm.output": "hook_mlp_in",
    "post_feedforward_layernorm.output": "hook_mlp_out",
}


def read(path: Path) -> Dictionary:
    """Read a Gemma Scope 2 folder by its weights' file: JumpReLU, nothing taken off the input.

    Its hook points are modules of the Transformers model; those known are named as TransformerLens names them, others
    stay as they are. Raises InputError where something does not fit, and for a transcoder across layers.
    """
    file = path.with_name("config.json")
    config = Config.read(file, "a Gemma Scope 2 configuration") if file.is_file() else Config(file, {})
    if config.text("architecture") not in ("", "jump_relu"):
        raise InputError(
            f"{file}: architecture {Config.shown(config.text('architecture'))} is not read; known: jump_relu"
        )
    weights = read_safetensors(path)
    weights.need("w_enc", "w_dec", "b_enc", "b_dec", "threshold", kind="a Gemma Scope 2 dictionary")
    W_enc, W_dec = weights.matrix("w_enc"), weights.matrix("w_dec")
    n, d_out = W_enc.shape[1], W_dec.shape[1]
    hook, hook_out = _hook(config.text("hf_hook_point_in")), _hook(config.text("hf_hook_point_out"))
    return Dictionary(
        W_dec=weights.take("w_dec", n, d_out),
        b_dec=weights.take("b_dec", d_out),
        encoder=Linear(W_enc, weights.take("b_enc", n)),
        activation=Threshold(weights.take("threshold", n)),
        model=_model(config.text("model_name")),
        hook=hook,
        hook_out=hook_out if hook_out != hook else "",
    ).check(path.parent)


def _hook(module: str) -> str:
    match = _MODULE.match(module)
    return f"blocks.{match[1]}.{_HOOKS[match[2]]}" if match and match[2] in _HOOKS else module


def _model(name: str) -> str:
    """The hub's name: configurations leave the organisation out, and some say ``gemma-v3``."""
    name = name.replace("gemma-v3", "gemma-3")
    return name if "/" in name or not name else f"google/{name}"


FAMILY = Family("params.safetensors", read, beside=("config.json",))
