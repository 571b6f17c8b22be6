"""A dictionary in memory: an input transform, one linear map, one activation, and a decoder; and what a family of them is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Activation, Active

T = TypeVar("T")


def leaves(tree: Any) -> Iterator[tuple[str, str, Any]]:
    """Every value that is no data class itself: the class that holds it, the field's name, the value."""
    for member in fields(tree):
        value = getattr(tree, member.name)
        if is_dataclass(value):
            yield from leaves(value)
        else:
            yield type(tree).__name__, member.name, value


def moved(tree: T, device: torch.device | str) -> T:
    """The same with every tensor on the device."""
    changed: dict[str, Any] = {}
    for member in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, member.name)
        if isinstance(value, Tensor):
            changed[member.name] = value.to(device)
        elif is_dataclass(value):
            changed[member.name] = moved(value, device)
    return replace(tree, **changed)  # type: ignore[type-var]


Norm = Literal["none", "layer", "constant"]

EPSILON = 1e-5
"""What layer normalisation adds to the deviation, in SAELens and in OpenAI's autoencoders alike."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Input:
    """Centred, normalised token by token, scaled, shifted: in this order."""

    centre: bool = False
    """Each token's own mean is taken off: what TransformerLens's ``center_writing_weights`` does to the residual stream of
    a model with LayerNorms, which itself never notices."""
    norm: Norm = "none"
    """``layer``: mean 0 and deviation 1 (of the sample, as torch has it); ``constant``: norm sqrt(d_model)."""
    scale: float = 1.0
    shift: Tensor | None = None
    """[d_model] what is taken off at last, mostly the decoder's bias."""

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> [n, d_model]; x itself where there is nothing to do."""
        if self.centre:
            x = x - x.mean(dim=-1, keepdim=True)
        if self.norm == "layer":
            x = x - x.mean(dim=-1, keepdim=True)
            x = x / (x.std(dim=-1, keepdim=True) + EPSILON)
        elif self.norm == "constant":
            x = x * (math.sqrt(x.shape[-1]) / x.norm(dim=-1, keepdim=True))
        if self.scale != 1:
            x = x * self.scale
        return x if self.shift is None else x - self.shift

    def wrong(self, d_model: int) -> str:
        """What does not fit an input of this width; '' where all does."""
        if self.shift is not None and self.shift.shape != (d_model,):
            return f"what is taken off the input has shape {list(self.shift.shape)}, expected [{d_model}]"
        return ""


class Encoder(Protocol):
    """A linear map."""

    @property
    def d_model(self) -> int:
        """Width of what it reads."""
        ...

    @property
    def n_features(self) -> int:
        """Width of what it gives."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> pre-activations [n, n_features], a tensor that the caller may write into."""
        ...

    def wrong(self) -> str:
        """What does not fit together; '' where all does."""
        ...


@dataclass(frozen=True, eq=False)
class Linear:
    """A matrix and a bias."""

    W_enc: Tensor
    """[d_model, n_features]"""
    b_enc: Tensor
    """[n_features]"""

    @property
    def d_model(self) -> int:
        """Width of what it reads."""
        return int(self.W_enc.shape[0])

    @property
    def n_features(self) -> int:
        """Width of what it gives."""
        return int(self.W_enc.shape[1])

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> [n, n_features]; the bias rides along in the product, which saves a pass over the result."""
        return torch.addmm(self.b_enc, x, self.W_enc)

    def wrong(self) -> str:
        """What does not fit together; '' where all does."""
        if self.b_enc.shape != (self.n_features,):
            return f"b_enc has shape {list(self.b_enc.shape)}, expected [{self.n_features}]"
        return ""


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


@dataclass(frozen=True)
class Family:
    """Recognised by the name of its weights' file alone; whether all else is right, its reader says."""

    weights: str
    """The file with the weights, relative to the dictionary's folder; ``*`` stands for part of a name."""
    read: Callable[[Path], Dictionary]
    """Takes the path of that file. Raises InputError where something is missing or does not fit."""
    beside: tuple[str, ...] = ()
    """Other files that the reader looks at, relative to the same folder."""

    @property
    def looks(self) -> str:
        """What a folder of this family holds, for people."""
        return " with ".join([self.weights, *self.beside[:1]])

    def holds(self, name: str) -> bool:
        """Whether a name relative to a folder is that of the weights' file."""
        return name.count("/") == self.weights.count("/") and fnmatchcase(name, self.weights)
