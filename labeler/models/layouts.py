"""Where the named places of a block lie in each architecture, as paths of submodules.

A path means what the submodule puts out; with ``.input`` what it reads, with ``:normalised`` what it, being a norm, makes
of its input before its learned scale and shift. The empty path is the block itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way of building a block, and the model types that are built so."""

    model_types: frozenset[str]
    """As ``config.json`` names them."""
    places: Mapping[str, str]
    """A place of ``labeler.models.hooks.PLACES`` -> its path; one that is missing does not exist there."""
    given: Mapping[str, object] = field(default_factory=dict)
    """What the configuration must say for these places to be right."""


RESIDUAL = {"hook_resid_pre": "input", "hook_resid_post": ""}
"""What every architecture has."""

MLPS = ("mlp", "block_sparse_moe", "feed_forward", "moe", "ffn")
"""The names that blocks give to their MLP, one of experts among them."""

_LLAMA = {
    "attn.hook_z": "self_attn.o_proj.input",
    "hook_attn_out": "self_attn",
    "hook_resid_mid": "post_attention_layernorm.input",
    "ln2.hook_normalized": "post_attention_layernorm:normalised",
    "hook_mlp_in": "mlp.input",
    "mlp.hook_pre": "mlp.gate_proj",
    "mlp.hook_post": "mlp.down_proj.input",
    "hook_mlp_out": "mlp",
}

# A norm behind attention and MLP: what is added to the residual stream is what that norm puts out.
_GEMMA2 = {
    **_LLAMA,
    "hook_attn_out": "post_attention_layernorm",
    "hook_resid_mid": "pre_feedforward_layernorm.input",
    "ln2.hook_normalized": "pre_feedforward_layernorm:normalised",
    "hook_mlp_out": "post_feedforward_layernorm",
}

_GPT2 = {
    "attn.hook_z": "attn.c_proj.input",
    "hook_attn_out": "attn",
    "hook_resid_mid": "ln_2.input",
    "ln2.hook_normalized": "ln_2:normalised",
    "hook_mlp_in": "mlp.input",
    "mlp.hook_pre": "mlp.c_fc",
    "mlp.hook_post": "mlp.c_proj.input",
    "hook_mlp_out": "mlp",
}

# Attention and MLP side by side: there is no residual stream between them.
_PYTHIA = {
    "attn.hook_z": "attention.dense.input",
    "hook_attn_out": "attention",
    "ln2.hook_normalized": "post_attention_layernorm:normalised",
    "hook_mlp_in": "mlp.input",
    "mlp.hook_pre": "mlp.dense_h_to_4h",
    "mlp.hook_post": "mlp.dense_4h_to_h.input",
    "hook_mlp_out": "mlp",
}

_PHI = {
    "attn.hook_z": "self_attn.dense.input",
    "hook_attn_out": "self_attn",
    "ln2.hook_normalized": "input_layernorm:normalised",
    "hook_mlp_in": "mlp.input",
    "mlp.hook_pre": "mlp.fc1",
    "mlp.hook_post": "mlp.fc2.input",
    "hook_mlp_out": "mlp",
}

_OPT = {
    "attn.hook_z": "self_attn.out_proj.input",
    "hook_attn_out": "self_attn",
    "hook_resid_mid": "final_layer_norm.input",
    "ln2.hook_normalized": "final_layer_norm:normalised",
    "hook_mlp_in": "fc1.input",
    "mlp.hook_pre": "fc1",
    "mlp.hook_post": "fc2.input",
    "hook_mlp_out": "fc2",
}

LAYOUTS = (
    Layout(
        model_types=frozenset({"llama", "mistral", "ministral", "qwen2", "qwen3", "smollm3", "gemma"}), places=_LLAMA
    ),
    Layout(model_types=frozenset({"gemma2", "gemma3_text"}), places=_GEMMA2),
    Layout(model_types=frozenset({"gpt2"}), places=_GPT2),
    Layout(model_types=frozenset({"gpt_neo"}), places={**_GPT2, "attn.hook_z": "attn.attention.out_proj.input"}),
    Layout(model_types=frozenset({"gpt_neox"}), places=_PYTHIA, given={"use_parallel_residual": True}),
    Layout(
        model_types=frozenset({"gpt_neox"}),
        places={**_PYTHIA, "hook_resid_mid": "post_attention_layernorm.input"},
        given={"use_parallel_residual": False},
    ),
    Layout(model_types=frozenset({"phi"}), places=_PHI),
    Layout(model_types=frozenset({"opt"}), places=_OPT, given={"do_layer_norm_before": True}),
)


def places_of(config: Any, block: nn.Module) -> Mapping[str, str]:
    """The places of a text model with this Hugging Face configuration and such blocks.

    Where the layout is not known: the residual stream, and what the block's own MLP reads and puts out.
    """
    for layout in LAYOUTS:
        if config.model_type in layout.model_types and all(
            getattr(config, key, None) == value for key, value in layout.given.items()
        ):
            return {**RESIDUAL, **layout.places}
    mlp = next((name for name in MLPS if hasattr(block, name)), None)
    return RESIDUAL if mlp is None else {**RESIDUAL, "hook_mlp_in": f"{mlp}.input", "hook_mlp_out": mlp}
