"""A dictionary in memory: weights brought to one shape, and the way that activations come out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from labeler.errors import InputError

Architecture = Literal["topk", "standard", "jumprelu"]


@dataclass(frozen=True)
class Dictionary:
    """A sparse autoencoder, float32.

    Shapes: ``W_enc`` [d_model, n_features], ``W_dec`` [n_features, d_model], ``b_enc`` [n_features], ``b_dec`` [d_model].
    """

    architecture: Architecture
    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    model: str
    """The language model's name, as the dictionary's own configuration has it."""
    hook: str
    """The hook point, as TransformerLens names it."""
    subtract_b_dec: bool
    """Whether the decoder's bias is taken off the input before encoding."""
    k: int | None = None
    """How many features stay active a token (topk)."""
    threshold: Tensor | None = None
    """[n_features]: what a pre-activation must exceed (jumprelu)."""
    max_norm: float | None = None
    """Tokens whose residual norm exceeds this were left out of training: no feature is active on them."""

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return int(self.W_enc.shape[1])

    @property
    def d_model(self) -> int:
        """Width of the activations that it reads."""
        return int(self.W_enc.shape[0])

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations: x [n, d_model] -> [n, n_features], non-negative, mostly zero."""
        rows, features, values = self.active(x)
        acts = torch.zeros(len(x), self.n_features, device=x.device)
        acts[rows, features] = values
        return acts

    def active(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is active where: x [n, d_model] -> rows, features, values, each [n_active]; a NaN counts as active."""
        x = x.float()
        pre = (x - self.b_dec if self.subtract_b_dec else x) @ self.W_enc + self.b_enc
        if self.architecture == "topk":
            values, features = pre.topk(self.k or self.n_features, dim=-1, sorted=False)
            rows = torch.arange(len(x), device=x.device)[:, None].expand_as(features)
            rows, features, values = rows.flatten(), features.flatten(), values.flatten()
            on = ~(values <= 0)
        else:
            kept = ~(pre <= (0 if self.threshold is None else self.threshold.clamp(min=0)))
            rows, features = kept.nonzero(as_tuple=True)
            values = pre[rows, features]
            on = torch.ones_like(values, dtype=torch.bool)
        if self.max_norm is not None:
            on &= ~(x.norm(dim=-1) > self.max_norm)[rows]
        return rows[on], features[on], values[on]

    def decode(self, acts: Tensor) -> Tensor:
        """Reconstruction: acts [..., n_features] -> [..., d_model]."""
        return acts @ self.W_dec + self.b_dec

    def fingerprint(self) -> str:
        """The SHA-256 of all that decides what it computes."""
        digest = hashlib.sha256()
        for name, value in sorted(vars(self).items()):
            digest.update(name.encode())
            digest.update(value.numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode())
        return digest.hexdigest()

    def check(self, source: object) -> Dictionary:
        """Itself, after its shapes and numbers were found right; InputError names what is not."""
        d_model, n = self.d_model, self.n_features
        wanted = {"W_enc": (d_model, n), "W_dec": (n, d_model), "b_enc": (n,), "b_dec": (d_model,)}
        if self.threshold is not None:
            wanted["threshold"] = (n,)
        for name, shape in wanted.items():
            tensor: Tensor = getattr(self, name)
            if tuple(tensor.shape) != shape:
                raise InputError(f"{source}: {name} has shape {list(tensor.shape)}, expected {list(shape)}")
            if not bool(torch.isfinite(tensor).all()):
                raise InputError(f"{source}: {name} holds NaN or infinite numbers; all weights must be finite")
        if self.architecture == "topk" and not 1 <= (self.k or 0) <= n:
            raise InputError(f"{source}: k is {self.k}, expected 1 to {n}")
        return self


Readers = Callable[[Path], "Dictionary | None"]
"""A family: reads a folder, or returns None where the folder is not of its kind."""
