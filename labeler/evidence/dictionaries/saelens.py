"""Dictionaries of SAELens: as it saves them, ``cfg.json`` and ``sae_weights.safetensors``, and as it holds them in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Activation, Gated, Threshold, TopK
from labeler.evidence.dictionaries.base import Dictionary, Family, Input, Linear, Norm
from labeler.evidence.dictionaries.config import Config
from labeler.evidence.dictionaries.files import Weights, read_safetensors

_NEEDED = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "batchtopk": ("b_enc", "topk_threshold"),
    "matryoshka_batchtopk": ("b_enc", "topk_threshold"),
    "jumprelu": ("b_enc", "threshold"),
    "gated": ("b_gate", "r_mag", "b_mag"),
    "transcoder": ("b_enc",),
    "skip_transcoder": ("b_enc",),
    "jumprelu_transcoder": ("b_enc", "threshold"),
    "jumprelu_skip_transcoder": ("b_enc", "threshold"),
}
"""The architectures that are read, and what each has beside W_enc, W_dec and b_dec."""

_NORMS: dict[str, Norm] = {
    "none": "none",
    # Its factor is folded into the weights when training ends; where it was not, SAELens goes without as well.
    "expected_average_only_in": "none",
    "layer_norm": "layer",
    "constant_norm_rescale": "constant",
}


def read(path: Path) -> Dictionary:
    """Read a SAELens folder by its weights' file.

    Follows SAELens 6, whose ``metadata`` holds ``model_name`` and ``hook_name``, and older files, which hold them at
    the top. BatchTopK counts by its global threshold, as at inference. Raises InputError where the configuration and
    the weights do not fit each other.
    """
    config = Config.read(path.with_name("cfg.json"), "a SAELens configuration")
    return _dictionary(config, read_safetensors(path), path.parent)


class Autoencoder(Protocol):
    """An autoencoder of SAELens in memory, or whatever has its parameters and says the same; it need not be installed."""

    W_enc: Any
    """[d_in, d_sae]"""
    W_dec: Any
    """[d_sae, d_in]"""
    b_dec: Any
    """[d_in]"""
    cfg: Any
    """``architecture``, ``apply_b_dec_to_input``, ``normalize_activations``, …, and the hook point in its metadata."""


def lacking(thing: object) -> list[str]:
    """What an autoencoder of SAELens in memory has and this has not; nothing where it looks like one."""
    return [name for name in HELD if getattr(thing, name, None) is None]


HELD = ("W_enc", "W_dec", "b_dec", "cfg")
"""What every autoencoder in memory has; its architecture says what else."""


def of_object(sae: Any) -> Dictionary:
    """The dictionary that an autoencoder in memory is, as it would be read from the folder that it is saved to.

    SAELens's own classes of any version, those in training too, or whatever has their parameters and their ``cfg``. The
    weights are those of now. Raises InputError where configuration and weights do not fit each other.
    """
    name = f"{type(sae).__name__} in memory"
    held = {key: value for key in _TENSORS if (value := getattr(sae, key, None)) is not None}
    tensors = {key: _tensor(value) for key, value in held.items() if isinstance(value, Tensor | np.ndarray)}
    weights = Weights(name, tensors)
    stated = _stated(sae.cfg)
    stated["metadata"] = _stated(stated.get("metadata", {}))
    if "W_enc" in tensors and tensors["W_enc"].ndim == 2:  # the sizes are the weights', where nothing else is said
        d_in, d_sae = tensors["W_enc"].shape
        bias = tensors.get("b_enc", tensors.get("b_gate"))
        if bias is not None and tuple(bias.shape) == (d_in,) != (d_sae,):
            d_in, d_sae = d_sae, d_in
        stated = {"d_in": d_in, "d_sae": d_sae} | stated
    if "W_dec" in tensors:
        stated.setdefault("d_out", int(tensors["W_dec"].shape[-1]))
    return _dictionary(Config(name, stated), weights, name)


def _tensor(weights: Tensor | NDArray[Any]) -> Tensor:
    """Weights as they are now; InputError for an array of numpy that holds no numbers."""
    if isinstance(weights, Tensor):
        return weights.detach().cpu()
    try:
        return torch.tensor(weights)
    except TypeError as error:
        raise InputError(f"weights are an array of {weights.dtype}; give one of floats") from error


_TENSORS = ("W_enc", "W_dec", "b_enc", "b_dec", "threshold", "topk_threshold", "b_gate", "r_mag", "b_mag")


def _stated(config: Any) -> dict[str, Any]:
    """What a configuration says: a mapping, one of SAELens's, or whatever has its fields as attributes.

    Since SAELens 6 the architecture is a method's to say.
    """
    if isinstance(config, Mapping):
        held = dict(config)
    elif callable(getattr(config, "to_dict", None)):
        held = dict(config.to_dict())
    else:
        held = {name: getattr(config, name, None) for name in dir(config) if not name.startswith("_")}
    if callable(architecture := held.get("architecture", getattr(config, "architecture", None))):
        held["architecture"] = architecture()
    return {key: value for key, value in held.items() if value is not None and not callable(value)}


def _dictionary(config: Config, weights: Weights, place: Path | str) -> Dictionary:
    architecture = _architecture(config)
    weights.need("W_enc", "W_dec", *_NEEDED[architecture], "b_dec", kind=f"a {architecture} dictionary")

    W_enc = weights.matrix("W_enc")
    d_in, n = W_enc.shape
    if (d_in, n) != (config.values.get("d_in"), config.values.get("d_sae")):
        said = [config.values.get("d_in"), config.values.get("d_sae")]
        meant = f"but cfg.json says d_in, d_sae = {Config.shown(said)}"
        if not isinstance(place, Path):
            meant = f"expected d_in, d_sae = {Config.shown(said)}"
        turned = "; it is transposed" if [n, d_in] == said else ""
        raise InputError(f"{place}: W_enc has shape {[d_in, n]}, {meant}{turned}")
    transcodes = "transcoder" in architecture
    d_out = config.whole("d_out") if transcodes else d_in
    W_dec, b_dec = weights.take("W_dec", n, d_out), weights.take("b_dec", d_out)
    b_enc = weights.take("b_gate" if architecture == "gated" else "b_enc", n)
    if "topk" in architecture and config.flag("rescale_acts_by_decoder_norm"):
        norms = W_dec.norm(dim=-1).clamp(min=1e-8)
        W_enc, b_enc, W_dec = W_enc * norms, b_enc * norms, W_dec / norms[:, None]

    metadata = config.section("metadata")
    bos = next((c.flag("prepend_bos") for c in (metadata, config) if c.has("prepend_bos")), True)
    return Dictionary(
        W_dec=W_dec,
        b_dec=b_dec,
        encoder=Linear(W_enc, b_enc),
        activation=_activation(architecture, config, weights, n),
        input=Input(
            centre=_centred(metadata, config),
            norm=_norm(config),
            shift=b_dec if config.flag("apply_b_dec_to_input", True) and not transcodes else None,
        ),
        model=_said("model_name", metadata, config),
        hook=_said("hook_name", metadata, config) or _said("hook_point", metadata, config),
        hook_out=_said("hook_name_out", metadata, config),
        bos=bos,
        first_token=_said("first_token", metadata, config),
        window=next((_window(c, bos) for c in (metadata, config) if c.has("context_size")), None),
        excluded=next((_excluded(c) for c in (metadata, config) if c.has("exclude_special_tokens")), False),
        max_norm=next((c.number("max_norm") for c in (metadata, config) if c.has("max_norm")), None),
    ).check(place)


def _architecture(config: Config) -> str:
    """Before SAELens 6, a TopK dictionary was a standard one with another activation function."""
    architecture = config.text("architecture") or "standard"
    if "topk" in (config.values.get("activation_fn_str"), config.values.get("activation_fn")):
        architecture = "topk"
    if architecture not in _NEEDED:
        raise InputError(
            f"{config.path}: architecture {Config.shown(architecture)} is not read; known: {', '.join(_NEEDED)}"
        )
    return architecture


def _activation(architecture: str, config: Config, weights: Weights, n: int) -> Activation:
    if architecture == "topk":
        return TopK(config.whole("k") if config.has("k") else config.section("activation_fn_kwargs").whole("k"))
    if architecture == "gated":
        scale = weights.take("r_mag", n).exp()
        return Gated(scale, weights.take("b_mag", n) - scale * weights.take("b_gate", n))
    if "topk_threshold" in _NEEDED[architecture]:
        return Threshold(weights.number("topk_threshold"))
    return Threshold(weights.take("threshold", n)) if "threshold" in _NEEDED[architecture] else Threshold()


def _centred(*configs: Config) -> bool:
    """Whether it was trained on a residual stream that TransformerLens had centred."""
    hook = _said("hook_name", *configs) or _said("hook_point", *configs)
    written = any(place in hook for place in ("hook_resid", "hook_mlp_out", "hook_attn_out"))
    return written and any(
        c.section("model_from_pretrained_kwargs").flag("center_writing_weights")
        for c in configs
        if c.has("model_from_pretrained_kwargs")
    )


def _norm(config: Config) -> Norm:
    stated = config.values.get("normalize_activations")
    if stated is None or isinstance(stated, bool):  # before it had names
        return "none"
    if not isinstance(stated, str) or stated not in _NORMS:
        raise InputError(
            f"{config.path}: normalize_activations {Config.shown(stated)} is not read; known: {', '.join(_NORMS)}"
        )
    return _NORMS[stated]


def _window(config: Config, bos: bool) -> int:
    """The tokens of a training sequence, beside the first one where it began with one."""
    size = config.whole("context_size") - bos
    if size < 1:
        raise InputError(f"{config.path}: context_size is {size + bos}; there must be a token beside the first")
    return size


def _excluded(config: Config) -> bool | tuple[int, ...]:
    """All special tokens or none, or which ones, by their ids."""
    stated = config.values["exclude_special_tokens"]
    if isinstance(stated, list | tuple) and all(type(token) is int and 0 <= token < 2**31 for token in stated):
        return tuple(stated)
    return config.flag("exclude_special_tokens")


def _said(key: str, *configs: Config) -> str:
    """What the first configuration that says anything says."""
    return next((text for config in configs if (text := config.text(key))), "")


FAMILY = Family("sae_weights.safetensors", read, beside=("cfg.json",))
