"""Dictionaries as dictionary_learning saves them: ``ae.pt``, mostly with a ``config.json``."""

from __future__ import annotations

import re
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Activation, Gated, Threshold, TopK
from labeler.evidence.dictionaries.base import Dictionary, Family, Input, Linear
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import Weights, read_torch

_LINEAR = ("encoder.weight", "decoder.weight")
_PLAIN = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
_CLASSES = {
    "GatedAutoEncoder": (*_LINEAR, "decoder_bias", "r_mag", "gate_bias", "mag_bias"),
    "MatryoshkaBatchTopKSAE": (*_PLAIN, "group_sizes"),
    "JumpReluAutoEncoder": _PLAIN,
    "BatchTopKSAE": (*_LINEAR, "encoder.bias", "b_dec", "k", "threshold"),
    "AutoEncoderTopK": (*_LINEAR, "encoder.bias", "b_dec"),
    "AutoEncoderNew": (*_LINEAR, "encoder.bias", "decoder.bias"),
    "AutoEncoder": (*_LINEAR, "encoder.bias", "bias"),
}
"""What each class saves, the more particular first: a file of no stated class is the first whose tensors it has."""

_B_DEC = ("b_dec", "bias", "decoder_bias", "decoder.bias")
_SITES = {"resid": "hook_resid_post", "mlp": "hook_mlp_out", "attn": "hook_attn_out"}


def read(path: Path) -> Dictionary:
    """Read a dictionary_learning folder by its weights' file.

    As its loader does, an AutoEncoder is brought to decoder rows of length one, BatchTopK counts by its threshold,
    TopK by its k. Raises InputError where something does not fit.
    """
    weights = read_torch(path)
    config = path.with_name("config.json")
    trainer = _trainer(config) if config.is_file() else Config(config, {})
    kind = _kind(trainer, weights)
    weights.need(*_CLASSES[kind], kind=f"an {kind}" if kind.startswith("A") else f"a {kind}")

    W_enc = weights.matrix("W_enc") if "W_enc" in weights else weights.matrix("encoder.weight").T
    d, n = W_enc.shape
    W_dec = weights.take("W_dec", n, d) if "W_dec" in weights else weights.take("decoder.weight", d, n).T
    b_dec = weights.take(next(name for name in _B_DEC if name in weights), d)
    bias = next(name for name in ("encoder.bias", "b_enc", "gate_bias") if name in weights)
    b_enc = weights.take(bias, n)
    if kind == "AutoEncoder":
        norms = W_dec.norm(dim=-1).clamp(min=1e-8)
        W_enc, b_enc, W_dec = W_enc * norms, b_enc * norms, W_dec / norms[:, None]
    return Dictionary(
        W_dec=W_dec,
        b_dec=b_dec,
        encoder=Linear(W_enc, b_enc),
        activation=_activation(kind, trainer, weights, n),
        input=Input(shift=None if kind in ("AutoEncoderNew", "JumpReluAutoEncoder") else b_dec),
        model=trainer.text("lm_name"),
        hook=_hook(trainer),
    ).check(path.parent)


def _trainer(path: Path) -> Config:
    return Config.read(path, "a dictionary_learning configuration").section("trainer")


def _kind(trainer: Config, weights: Weights) -> str:
    stated = trainer.text("dict_class")
    if stated and stated not in _CLASSES:
        raise InputError(f"{trainer.path}: dict_class {Config.shown(stated)} is not read; known: {', '.join(_CLASSES)}")
    fitting = [kind for kind, names in _CLASSES.items() if all(name in weights for name in names)]
    if stated or not fitting:
        return stated or "AutoEncoder"
    if fitting[0] == "BatchTopKSAE":
        raise InputError(
            f"{trainer.path}: no dict_class, and {Path(weights.path).name} may be of AutoEncoderTopK or of BatchTopKSAE; "
            'write {"trainer": {"dict_class": "…"}} into the former'
        )
    return fitting[0]


def _activation(kind: str, trainer: Config, weights: Weights, n: int) -> Activation:
    if kind == "AutoEncoderTopK":
        return TopK(weights.whole("k") if "k" in weights else trainer.whole("k"))
    if kind == "GatedAutoEncoder":
        scale = weights.take("r_mag", n).exp()
        return Gated(scale, weights.take("mag_bias", n) - scale * weights.take("gate_bias", n))
    if kind == "JumpReluAutoEncoder":
        return Threshold(weights.take("threshold", n))
    return Threshold(weights.number("threshold")) if "TopK" in kind else Threshold()


def _hook(trainer: Config) -> str:
    """Its layer, where what it names is a layer's output; '' else."""
    if not trainer.has("layer"):
        return ""
    site = re.match(r"resid|mlp|attn|$", trainer.text("submodule_name"))
    return f"blocks.{trainer.whole('layer')}.{_SITES[site[0] or 'resid']}" if site else ""


FAMILY = Family("ae.pt", read, beside=("config.json",))
