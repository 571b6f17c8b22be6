"""Dictionaries as SAELens saves them: ``cfg.json`` and ``sae_weights.safetensors``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from labeler.errors import InputError
from labeler.evidence.dictionaries.base import Dictionary

_ARCHITECTURES = ("topk", "standard", "jumprelu")


def read_saelens(folder: Path) -> Dictionary | None:
    """Read a SAELens folder (topk, standard, jumprelu), or None where it is not one.

    Follows SAELens 6: ``metadata`` holds ``model_name`` and ``hook_name``; older files hold them at the top.
    Raises InputError where the configuration and the weights do not fit each other.
    """
    config_file, weights_file = folder / "cfg.json", folder / "sae_weights.safetensors"
    if not (config_file.is_file() and weights_file.is_file()):
        return None
    try:
        config: dict[str, Any] = json.loads(config_file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{config_file}: not JSON ({error}); expected a SAELens configuration") from error
    if not isinstance(config, dict) or not isinstance(config.get("metadata", {}), dict):
        raise InputError(f"{config_file}: expected an object whose metadata, where it has any, is an object too")
    try:
        weights = load_file(weights_file)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{weights_file}: not a readable safetensors file ({error})") from error

    architecture = config.get("architecture", "standard")
    if architecture not in _ARCHITECTURES:
        raise InputError(
            f"{config_file}: architecture '{architecture}' is not read; known: {', '.join(_ARCHITECTURES)}"
        )
    if config.get("normalize_activations", "none") not in ("none", None):
        raise InputError(
            f"{config_file}: normalize_activations '{config['normalize_activations']}' is not read; only none"
        )
    if config.get("rescale_acts_by_decoder_norm"):
        raise InputError(
            f"{config_file}: rescale_acts_by_decoder_norm is not read; fold the norms into the weights first"
        )
    needed = ["W_enc", "W_dec", "b_enc", "b_dec"] + (["threshold"] if architecture == "jumprelu" else [])
    missing = [name for name in needed if name not in weights]
    if missing:
        raise InputError(
            f"{weights_file}: no tensor {', '.join(missing)}; a {architecture} dictionary has {', '.join(needed)}"
        )

    metadata = {**config, **config.get("metadata", {})}
    model, hook = metadata.get("model_name"), metadata.get("hook_name") or metadata.get("hook_point")
    if not (isinstance(model, str) and isinstance(hook, str) and model and hook):
        raise InputError(
            f"{config_file}: no model_name and hook_name; without them nothing says what the features read"
        )

    if architecture == "topk" and not isinstance(config.get("k"), int):
        raise InputError(f"{config_file}: k is {config.get('k')!r}, expected how many features stay active a token")
    if not isinstance(metadata.get("max_norm"), int | float | None):
        raise InputError(f"{config_file}: max_norm is {metadata['max_norm']!r}, expected a number")
    if weights["W_enc"].ndim != 2:
        raise InputError(f"{weights_file}: W_enc has {weights['W_enc'].ndim} dimensions, expected 2")
    expected = (config.get("d_in"), config.get("d_sae"))
    if tuple(weights["W_enc"].shape) != expected:
        raise InputError(
            f"{folder}: W_enc has shape {list(weights['W_enc'].shape)}, but cfg.json says d_in, d_sae = {list(expected)}"
        )
    return Dictionary(
        architecture=architecture,
        W_enc=weights["W_enc"].float(),
        W_dec=weights["W_dec"].float(),
        b_enc=weights["b_enc"].float(),
        b_dec=weights["b_dec"].float(),
        model=model,
        hook=hook,
        subtract_b_dec=bool(config.get("apply_b_dec_to_input", True)),
        k=config["k"] if architecture == "topk" else None,
        threshold=weights["threshold"].float() if architecture == "jumprelu" else None,
        max_norm=metadata.get("max_norm"),
    ).check(folder)
