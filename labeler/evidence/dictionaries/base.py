"""A dictionary in memory: an input transform, one linear map, one activation, and a decoder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Activation, Active
from labeler.evidence.dictionaries.encoders import Encoder
from labeler.evidence.dictionaries.inputs import Input
from labeler.evidence.dictionaries.leaves import leaves, moved

WINDOW = 128
"""Tokens that the model sees at once, beside the one that starts every window, where a dictionary says nothing else."""

BLOCK = 2**26
"""Pre-activations held at once: 256 MiB, 16,384 rows of 4,096 features or 1,024 rows of 65,536."""


_UNSAID: dict[str, tuple[object, ...]] = {
    "bos": (True,),
    "first_token": ("", "<|endoftext|>"),
    "window": (None, WINDOW),
    "excluded": (False, True),
}
"""What makes no other dictionary: with these, evidence is as it was before anybody could say otherwise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dictionary:
    """The features of a sparse autoencoder, a transcoder or a neuron basis, in float32.

    Families differ in their parts alone; what is computed is ``activation(encoder(input(x)))``.
    """

    W_dec: Tensor | None
    """[n_features, d_out]: what each feature writes; None where features have no direction but an axis (neurons)."""
    b_dec: Tensor | None
    """[d_out]"""
    encoder: Encoder
    activation: Activation
    input: Input = field(default_factory=Input)
    model: str = ""
    """The language model's name, as the files have it; '' where they do not say."""
    hook: str = ""
    """The hook point that it reads, by its name in TransformerLens or a module's; '' where the files do not say."""
    hook_out: str = ""
    """The hook point that a transcoder writes to; '' where it is the one that it reads."""
    bos: bool = True
    """Whether it was trained on texts that begin with a first token; what later tokens are depends on it."""
    first_token: str = ""
    """The token that those texts began with; '' for the tokenizer's BOS."""
    window: int | None = None
    """Tokens that the model saw at once in training, beside the first; None where the files do not say."""
    excluded: bool | tuple[int, ...] = False
    """Tokens that were left out of training, by id, or all special ones: no feature is active on them."""
    max_norm: float | None = None
    """Tokens whose norm exceeds this were left out of training: no feature is active on them."""

    def __repr__(self) -> str:
        where = f" of {self.model!r} at {self.hook!r}" if self.hook else ""
        return f"Dictionary({self.n_features:,} features that read {self.d_model:,} dimensions{where})"

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return self.encoder.n_features

    @property
    def d_model(self) -> int:
        """Width of the activations that it reads."""
        return self.encoder.d_model

    def active(self, x: Tensor) -> Active:
        """What is active where: x [n, d_model] -> rows, features, values, each [n_active]; a NaN counts as active."""
        size = max(1, BLOCK // self.n_features)
        if len(x) <= size:
            return self._active(x)
        found = [self._active(block) for block in x.split(size)]
        rows, features, values = zip(*found, strict=True)
        return torch.cat([r + i * size for i, r in enumerate(rows)]), torch.cat(features), torch.cat(values)

    def _active(self, x: Tensor) -> Active:
        x = x.float()
        pre = self.encoder(self.input(x))
        if self.max_norm is not None:
            pre[x.norm(dim=-1) > self.max_norm] = -torch.inf  # under every rule, this activates nothing
        return self.activation(pre)

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations: x [n, d_model] -> [n, n_features], non-negative, mostly zero."""
        rows, features, values = self.active(x)
        acts = torch.zeros(len(x), self.n_features, dtype=torch.float32, device=x.device)
        acts[rows, features] = values
        return acts

    def decode(self, acts: Tensor) -> Tensor:
        """What the features write: acts [..., n_features] -> [..., d_out].

        Where inputs are normalised token by token, this is in normalised units. The skip of a skip transcoder is no
        feature's and no part of it. Raises InputError for neurons, which write nothing.
        """
        if self.W_dec is None or self.b_dec is None:
            raise InputError("a basis of neurons has no decoder; its features are what it reads")
        return acts @ self.W_dec + self.b_dec

    def fingerprint(self) -> str:
        """The SHA-256 of all that decides what it computes, the same on every device."""
        digest = hashlib.sha256()
        for owner, name, value in leaves(self):
            if value in _UNSAID.get(name, ()):
                continue
            said = f"{tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            digest.update(f"{owner}.{name}={said}\n".encode())
            if isinstance(value, Tensor):
                digest.update(np.ascontiguousarray(value.cpu().numpy()).data)
        return digest.hexdigest()

    def check(self, source: object) -> Self:
        """Itself, after its shapes and numbers were found right; InputError names what is not."""
        d_model, n = self.d_model, self.n_features
        if not (d_model and n):
            raise InputError(f"{source}: {n} features that read {d_model} dimensions; there must be some of both")
        wrong = self.encoder.wrong() or self.activation.wrong(n) or self.input.wrong(d_model)
        if self.W_dec is not None and (self.W_dec.ndim != 2 or len(self.W_dec) != n):
            wrong = f"W_dec has shape {list(self.W_dec.shape)}, expected [{n}, …]"
        elif self.W_dec is not None and (self.b_dec is None or self.b_dec.shape != self.W_dec.shape[1:]):
            wrong = "b_dec is not as wide as W_dec"
        if wrong:
            raise InputError(f"{source}: {wrong}")
        for _, name, value in leaves(self):
            if isinstance(value, Tensor) and not bool(torch.isfinite(value).all()):
                raise InputError(f"{source}: {name} holds NaN or infinite numbers; all weights must be finite")
        return self

    def to(self, device: torch.device | str) -> Dictionary:
        """The same with its weights on the device."""
        return moved(self, device)
