"""Gemma Scope (Lieberum et al., arXiv 2408.05147): ``params.npz``, and no word about what it belongs to but its path."""

from __future__ import annotations

import math
import re
from pathlib import Path

from labeler.evidence.dictionaries.activations import Threshold
from labeler.evidence.dictionaries.base import Dictionary, Family, Input, Linear
from labeler.evidence.dictionaries.files import Weights, read_npz

_REPOSITORY = re.compile(r"gemma-scope-(\d+b)-(pt|it)-(res|mlp|att|transcoders)(?![a-z])")
_LAYER = re.compile(r"/layer_(\d{1,4})/")
_HOOKS = {
    "res": ("hook_resid_post", ""),
    "mlp": ("hook_mlp_out", ""),
    "att": ("attn.hook_z", ""),
    "transcoders": ("ln2.hook_normalized", "hook_mlp_out"),
}


def read(path: Path) -> Dictionary:
    """Read a Gemma Scope folder by its weights' file: JumpReLU, nothing taken off the input.

    Model and hook point come from the path where it keeps the names of the hub (gemma-scope-2b-pt-res/layer_20/…).
    Raises InputError where the arrays do not fit each other.
    """
    file = read_npz(path)
    weights = Weights(path, {_name(key): value for key, value in file.values.items()})
    weights.need("W_enc", "W_dec", "b_enc", "b_dec", "threshold", kind="a Gemma Scope dictionary")
    W_enc = weights.matrix("W_enc")
    d, n = W_enc.shape
    W_dec = weights.matrix("W_dec")
    where = path.absolute().as_posix()
    model, hook, hook_out = _about(where)
    # Trained on embeddings as they are stored; the model multiplies them by sqrt(d_model) before anyone sees them.
    scale = 1 / math.sqrt(d) if hook == "hook_embed" else 1.0
    return Dictionary(
        W_dec=weights.take("W_dec", n, W_dec.shape[1] if hook_out else d) / scale,
        b_dec=weights.take("b_dec", W_dec.shape[1] if hook_out else d) / scale,
        encoder=Linear(W_enc, weights.take("b_enc", n)),
        activation=Threshold(weights.take("threshold", n)),
        input=Input(scale=scale),
        model=model,
        hook=hook,
        hook_out=hook_out,
    ).check(path.parent)


def _name(key: str) -> str:
    """Some of its files write the matrices small."""
    return f"W_{key[2:]}" if key.startswith("w_") else key


def _about(where: str) -> tuple[str, str, str]:
    """Model, hook point, and where a transcoder writes, as far as a path tells."""
    repository, layer = _REPOSITORY.search(where), _LAYER.search(where)
    if repository is None:
        return "", "", ""
    size, tuned, site = repository.groups()
    model = f"google/gemma-2-{size}" + ("-it" if tuned == "it" else "")
    if layer is None:
        return model, "hook_embed" if "/embedding/" in where else "", ""
    hook, hook_out = (f"blocks.{layer[1]}.{name}" if name else "" for name in _HOOKS[site])
    return model, hook, hook_out


FAMILY = Family("params.npz", read)
