"""OpenAI's autoencoders of GPT-2 (Gao et al., arXiv 2406.04093): one ``.pt`` file each."""

from __future__ import annotations

import re
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Activation, Threshold, TopK
from labeler.evidence.dictionaries.base import Dictionary, Family, Input, Linear
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import read_torch

_PATH = re.compile(
    r"/(resid_delta_attn|resid_delta_mlp|resid_post_attn|resid_post_mlp|mlp_post_act)\w*/.*?(\d{1,4})\.pt$"
)
_HOOKS = {
    "resid_delta_attn": "hook_attn_out",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_post_attn": "hook_resid_mid",
    "resid_post_mlp": "hook_resid_post",
    "mlp_post_act": "mlp.hook_post",
}


def read(path: Path) -> Dictionary:
    """Read an OpenAI autoencoder by its file.

    TopK ones (from version 4 on) normalise their input as a layer norm does, the older ReLU ones do not. The hook point
    comes from the path where it is as they publish it (resid_post_mlp_v5_32k/autoencoders/8.pt). Raises InputError
    where something does not fit.
    """
    weights = read_torch(path)
    weights.need("pre_bias", "encoder.weight", "latent_bias", "decoder.weight", kind="an OpenAI autoencoder")
    W_enc = weights.matrix("encoder.weight").T
    d, n = W_enc.shape
    pre_bias = weights.take("pre_bias", d)
    activation = _activation(Config(path, weights.values))
    where = path.absolute().as_posix()
    published = _PATH.search(where)
    return Dictionary(
        W_dec=weights.take("decoder.weight", d, n).T,
        b_dec=pre_bias,
        encoder=Linear(W_enc, weights.take("latent_bias", n)),
        activation=activation,
        input=Input(norm="layer" if isinstance(activation, TopK) else "none", shift=pre_bias),
        model="openai-community/gpt2" if "gpt2-small" in where else "",
        hook=f"blocks.{published[2]}.{_HOOKS[published[1]]}" if published else "",
    ).check(path)


def _activation(state: Config) -> Activation:
    name = state.text("activation") or "ReLU"
    inner = state.section("activation_state_dict")
    after = inner.text("postact_fn") or "ReLU"
    if name not in ("TopK", "ReLU") or after != "ReLU":
        raise InputError(
            f"{state.path}: activation {Config.shown(name)}, then {Config.shown(after)}, is not read; "
            "known: TopK and ReLU, with nothing negative behind them"
        )
    return TopK(inner.whole("k")) if name == "TopK" else Threshold()


FAMILY = Family("*.pt", read)
