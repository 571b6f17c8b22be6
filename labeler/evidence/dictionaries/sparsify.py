"""Dictionaries and transcoders as sparsify saves them: ``{hookpoint}/cfg.json`` and ``{hookpoint}/sae.safetensors``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Activation, GroupMax, TopK
from labeler.evidence.dictionaries.base import Dictionary, Family, Input, Linear
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import read_safetensors

_MODULE = re.compile(r"^(?:\w+\.)*(?:layers|h)\.\d{1,4}(?:\.\w+)*$")
_ACTIVATIONS: dict[str, Callable[[int], Activation]] = {"topk": TopK, "groupmax": GroupMax}


def read(path: Path) -> Dictionary:
    """Read a sparsify folder by its weights' file.

    A transcoder does not take the decoder's bias off its input. The folder is named after a module of the model, whose
    output is read; a transcoder reads the module's input. Before February 2025 only the run's own configuration said
    that it is one; whatever is said, only transcoders have a skip. Raises InputError where something does not fit.
    """
    config = Config.read(path.with_name("cfg.json"), "a sparsify configuration")
    weights = read_safetensors(path)
    weights.need("encoder.weight", "encoder.bias", "W_dec", "b_dec", kind="a sparsify dictionary")
    W_enc = weights.matrix("encoder.weight").T
    d_in, n = W_enc.shape
    stated = config.whole("num_latents") if config.has("num_latents") else 0
    stated = stated or config.whole("d_in") * config.whole("expansion_factor")
    if (d_in, n) != (config.whole("d_in"), stated):
        raise InputError(
            f"{path.parent}: encoder.weight has shape {[n, d_in]}, but cfg.json says "
            f"{Config.shown([stated, config.whole('d_in')])}"
        )
    b_dec = weights.take("b_dec", d_in)
    run = _run(path.absolute().parent.parent / "config.json")
    transcodes = config.flag("transcode") or run.flag("transcode") or "W_skip" in weights
    hook, hook_out = _hooks(path.absolute().parent.name, transcodes)
    return Dictionary(
        W_dec=weights.take("W_dec", n, d_in),
        b_dec=b_dec,
        encoder=Linear(W_enc, weights.take("encoder.bias", n)),
        activation=_activation(config),
        input=Input(shift=None if transcodes else b_dec),
        model=run.text("model"),
        hook=hook,
        hook_out=hook_out,
    ).check(path.parent)


def _activation(config: Config) -> Activation:
    name = config.text("activation") or "topk"
    if name not in _ACTIVATIONS or config.flag("signed"):
        raise InputError(
            f"{config.path}: activation {Config.shown(name)}{' (signed)' * config.flag('signed')} is not read; "
            f"known: {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name](config.whole("k"))


def _hooks(module: str, transcodes: bool) -> tuple[str, str]:
    """Where is read, and where a transcoder writes; '' for a folder that is named after no module of a block."""
    if not _MODULE.match(module):
        return "", ""
    return (f"{module}.input", module) if transcodes else (module, "")


def _run(path: Path) -> Config:
    """The run's own configuration stands beside the folders; it may be missing."""
    return Config.read(path, "a sparsify run's configuration") if path.is_file() else Config(path, {})


FAMILY = Family("sae.safetensors", read, beside=("cfg.json", "../config.json"))
