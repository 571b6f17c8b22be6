"""The sentence encoder's tokenizer over one thin layer of random weights: everything but the time that it takes."""

from __future__ import annotations

import functools

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from labeler.models.encoder import SentenceEncoder
from labeler.models.names import minilm_folder


@functools.cache
def shallow_encoder() -> SentenceEncoder:
    """States as long as the encoder's, always the same, that mean nothing."""
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=384, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = BertModel(config).eval()
    return SentenceEncoder(module, tokenizer, torch.device("cpu"))
