"""A language model that its user has loaded, in the place of a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from labeler.errors import InputError
from labeler.models.language import LanguageModel
from labeler.models.names import public
from labeler.progress import tell

_PASSING = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "use_cache")
"""What a configuration says of where a model came from and how it is held, not of what it computes."""


def given_model(module: Any, tokenizer: Any) -> LanguageModel:
    """A loaded causal model of transformers with its tokenizer, where it is; InputError for what is none.

    Its name is the one that it was loaded by, else its class's; see ``public``.
    """
    kind = type(module).__name__
    if not isinstance(module, nn.Module):
        raise InputError(f"model is a {kind}; give a folder, a hub name, or a loaded causal model of transformers")
    head = getattr(module, "get_output_embeddings", None)
    if not callable(getattr(module, "get_decoder", None)) or not callable(head) or head() is None:
        raise InputError(
            f"model is a {kind}, no causal language model of transformers; load it with AutoModelForCausalLM, or give its name"
        )
    if tokenizer is None:
        raise InputError(f"model is a {kind} that is loaded already; give its tokenizer, too: tokenizer=…")
    if not callable(getattr(tokenizer, "convert_tokens_to_ids", None)):
        raise InputError(f"tokenizer is a {type(tokenizer).__name__}; give the model's, as AutoTokenizer loads it")
    device = next(module.parameters()).device
    if device.type == "meta":
        raise InputError(f"the weights of the model, a {kind}, are not in memory; load it without offloading")
    return LanguageModel(public(str(getattr(module, "name_or_path", "") or kind)), module, tokenizer, device)


@contextmanager
def at_rest(module: Any) -> Iterator[None]:
    """The module in evaluation mode while the context lasts; then every part of it is again as its owner had it."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def identity(model: LanguageModel) -> str:
    """The SHA-256 of all that decides what a model computes of a text: weights, configuration, tokenizer."""
    digest = hashlib.sha256()
    config = {key: value for key, value in model.module.config.to_dict().items() if key not in _PASSING}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    tensors = sorted((name, value) for name, value in model.module.state_dict().items() if isinstance(value, Tensor))
    for number, (name, tensor) in enumerate(tensors):
        tell("telling the model by its weights", number, len(tensors), "tensors")
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    tell("telling the model by its weights", len(tensors), len(tensors), "tensors")
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    said = backend.to_str() if backend is not None else json.dumps(model.tokenizer.get_vocab(), sort_keys=True)
    digest.update(said.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
