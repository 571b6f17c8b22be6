"""A language model and a dictionary of random weights: how fast they run does not hang on what they say."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.dictionaries.activations import TopK
from labeler.evidence.dictionaries.base import Linear
from labeler.models.language import LanguageModel, load_language_model
from labeler.models.names import SMOLLM2

ACTIVE = 64
"""Features that are active on a token."""


def random_model(width: int = 2048, layers: int = 16) -> LanguageModel:
    """A Llama in bfloat16, of about 1.2 B parameters unless told otherwise, with the sample model's tokenizer."""
    sample = load_language_model(SMOLLM2)
    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=max(1, width // 256),
        vocab_size=len(sample.tokenizer),
    )
    with torch.device(sample.device):
        module = LlamaForCausalLM(config).bfloat16().eval()
    return LanguageModel("random", module, sample.tokenizer, sample.device)


def random_dictionary(model: LanguageModel, n_features: int) -> Dictionary:
    """A TopK dictionary on the residual stream behind the middle layer."""
    generator = torch.Generator().manual_seed(0)
    W_dec = torch.nn.functional.normalize(torch.randn(n_features, model.d_model, generator=generator), dim=-1)
    return Dictionary(
        W_dec=W_dec,
        b_dec=torch.zeros(model.d_model),
        encoder=Linear(W_dec.T.contiguous(), torch.zeros(n_features)),
        activation=TopK(ACTIVE),
        model="random",
        hook=f"blocks.{len(model.layers()) // 2}.hook_resid_post",
    )
