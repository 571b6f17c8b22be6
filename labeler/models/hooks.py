"""Hook points: the names of places inside a language model, and where they lie in each architecture.

A path means what the submodule puts out; with ``.input`` what it reads, with ``:normalised`` what it, being a norm, makes
of its input before its learned scale and shift. The empty path is the block itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from labeler.errors import InputError

PLACES = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "attn.hook_z",
    "hook_attn_out",
    "ln2.hook_normalized",
    "hook_mlp_in",
    "mlp.hook_pre",
    "mlp.hook_post",
    "hook_mlp_out",
)
"""The places of a block that have a name of their own, in the order in which a forward pass meets them.

As TransformerLens has them: ``hook_attn_out`` and ``hook_mlp_out`` are what is added to the residual stream, ``attn.hook_z``
is what all heads give to the output projection, side by side, ``mlp.hook_pre`` and ``mlp.hook_post`` are the neurons
before and after the nonlinearity (the gate before, the gated product after), and ``ln2.hook_normalized`` is what the MLP's
norm makes of the residual stream before its learned scale and shift. ``hook_mlp_in`` is what the MLP reads, scale and shift
included, which is how the configurations of released transcoders use the name.
"""

_ALIASES = {"mlp.hook_in": "hook_mlp_in"}
_TRANSFORMER_LENS = re.compile(r"blocks\.([0-9]{1,4})\.([a-z0-9_.]+)")
_HUGGING_FACE = re.compile(
    r"(?:(?:model|transformer|gpt_neox|decoder|language_model)\.)*(?:layers|h)\.([0-9]{1,4})((?:\.[A-Za-z0-9_]+)*)"
)


@dataclass(frozen=True)
class HookPoint:
    """A place in one block of a model."""

    layer: int
    place: str
    """One of ``PLACES``, or a submodule of the block: ``mlp`` for what it puts out, ``mlp.input`` for what it reads."""

    @classmethod
    def parse(cls, name: str) -> HookPoint:
        """Read a TransformerLens name (``blocks.3.hook_mlp_out``) or a Hugging Face module's (``model.layers.3.mlp``).

        The second may end in ``.input`` or ``.output``; without, the output is meant, and a block's own is the residual
        stream behind it. Raises InputError for a name of another form.
        """
        if match := _TRANSFORMER_LENS.fullmatch(name):
            place = _ALIASES.get(match[2], match[2])
            if place in PLACES:
                return cls(int(match[1]), place)
        if match := _HUGGING_FACE.fullmatch(name):
            place = match[2].removeprefix(".").removesuffix("output").removesuffix(".")
            return cls(int(match[1]), {"": "hook_resid_post", "input": "hook_resid_pre"}.get(place, place))
        raise InputError(
            f"unknown hook point '{name}'; give a module of a block (layers.N, layers.N.mlp, layers.N.mlp.input) or "
            f"blocks.N. and one of: {', '.join(PLACES)}"
        )

    def __str__(self) -> str:
        return f"{'blocks' if self.place in PLACES else 'layers'}.{self.layer}.{self.place}"


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
