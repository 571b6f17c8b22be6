"""An autoencoder in memory as SAELens 6 holds it, written from its source: the same names, the same ``encode``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from tests.fakes.dictionary import gate, random_weights


@dataclass
class Metadata:
    """What is known of its training."""

    model_name: str | None = "tiny"
    hook_name: str | None = "blocks.0.hook_resid_post"
    prepend_bos: bool = True
    sae_lens_version: str = "6.0.0"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Config:
    """The union of the architectures' configurations; which one it is, a method says."""

    kind: str
    d_in: int
    d_sae: int
    k: int | None = None
    dtype: str = "float32"
    device: str = "cpu"
    apply_b_dec_to_input: bool = True
    normalize_activations: str = "none"
    rescale_acts_by_decoder_norm: bool = False
    metadata: Metadata = field(default_factory=Metadata)

    def architecture(self) -> str:
        return self.kind

    def to_dict(self) -> dict[str, Any]:
        held = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "kind"}
        return {**held, "architecture": self.architecture(), "metadata": self.metadata.to_dict()}


class SAE(nn.Module):
    """Standard, JumpReLU, TopK or gated."""

    def __init__(self, architecture: str = "standard", tensors: dict[str, Tensor] | None = None, **config: Any) -> None:
        super().__init__()
        tensors = {**random_weights(), **gate()} if tensors is None else tensors
        names = {"jumprelu": ("b_enc", "threshold"), "gated": ("b_gate", "r_mag", "b_mag")}.get(
            architecture, ("b_enc",)
        )
        for name in ("W_enc", "W_dec", "b_dec", *names):
            setattr(self, name, nn.Parameter(tensors[name].clone()))
        d_in, d_sae = tensors["W_enc"].shape
        self.cfg: Any = Config(architecture, d_in, d_sae, **config)

    def process_sae_in(self, x: Tensor) -> Tensor:
        if self.cfg.normalize_activations == "constant_norm_rescale":
            x = x * (self.cfg.d_in**0.5 / x.norm(dim=-1, keepdim=True))
        elif self.cfg.normalize_activations == "layer_norm":
            x = x - x.mean(dim=-1, keepdim=True)
            x = x / (x.std(dim=-1, keepdim=True) + 1e-5)
        return x - self.b_dec * self.cfg.apply_b_dec_to_input

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        x = self.process_sae_in(x)
        if self.cfg.kind == "gated":
            active = (x @ self.W_enc + self.b_gate > 0).float()
            return active * (x @ (self.W_enc * self.r_mag.exp()) + self.b_mag).relu()
        pre = x @ self.W_enc + self.b_enc
        if self.cfg.kind == "jumprelu":
            return pre.relu() * (pre > self.threshold)
        if self.cfg.kind == "topk":
            if self.cfg.rescale_acts_by_decoder_norm:
                pre = pre * self.W_dec.norm(dim=-1)
            top = pre.topk(self.cfg.k, dim=-1)
            return torch.zeros_like(pre).scatter_(-1, top.indices, top.values.relu())
        return pre.relu()
