"""Hook points: the names of places inside a language model."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
