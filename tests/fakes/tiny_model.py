"""Language models of random weights and a tokenizer of few merges, made on the spot."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from labeler.models.language import LanguageModel

VOCABULARY = 300
CONTEXT = 256
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)
_PROSE = "the cat sat on the mat and the other cats stood there, then they ate the rest of the bread; " * 20


@functools.cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_PROSE], trainer)
    return tokenizer


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: every text has tokens."""
    return PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), bos_token="<|im_start|>", eos_token="<|im_end|>", unk_token="<|endoftext|>"
    )


def save_tiny_model(folder: Path, *, chat: bool = True, seed: int = 0) -> Path:
    """Write a Llama of two layers and its byte-level tokenizer where ``load_language_model`` finds them."""
    fast = tiny_tokenizer()
    if chat:
        fast.chat_template = CHAT
    fast.save_pretrained(folder)

    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.2,  # large enough that a context sways the next token
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,  # heads that are together wider than the residual stream
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_PLAIN = {key: value for key, value in _SIZES.items() if key not in ("head_dim", "num_key_value_heads")}

CONFIGURATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, _SIZES) for name in ("llama", "mistral", "ministral", "qwen2", "qwen3", "smollm3")},
    **{name: (name, _SIZES) for name in ("gemma", "gemma2", "gemma3_text")},
    "gemma3": (
        "gemma3",
        {
            "text_config": {**_SIZES, "model_type": "gemma3_text"},
            "vision_config": {**_PLAIN, "model_type": "siglip_vision_model", "image_size": 28, "patch_size": 14},
            "mm_tokens_per_image": 4,
        },
    ),
    "gpt2": ("gpt2", _PLAIN | {"n_inner": 48}),
    "gpt_neo": (
        "gpt_neo",
        {key: value for key, value in _PLAIN.items() if key != "num_hidden_layers"}
        | {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    ),
    "gpt_neox": ("gpt_neox", _PLAIN),
    "gpt_neox, sequential": ("gpt_neox", _PLAIN | {"use_parallel_residual": False}),
    "phi": ("phi", _PLAIN),
    "opt": ("opt", _PLAIN | {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2}),
    "opt, norms behind": (
        "opt",
        _PLAIN | {"ffn_dim": 48, "word_embed_proj_dim": 16, "init_std": 0.2, "do_layer_norm_before": False},
    ),
    "granite": ("granite", _SIZES | {"residual_multiplier": 0.5}),
    "mixtral": ("mixtral", _SIZES | {"num_local_experts": 4}),
    "qwen3_moe": ("qwen3_moe", _SIZES | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}),
    "gpt_oss": ("gpt_oss", _SIZES | {"num_local_experts": 4, "num_experts_per_tok": 2}),
}
"""A model type and its configuration, by a name for people; for ``granite`` and those behind it there is no layout."""


def tiny_language_model(name: str, seed: int = 0) -> LanguageModel:
    """A model of one of ``CONFIGURATIONS``, in float32 on the CPU, its norms and biases as far from idle as its matrices."""
    torch.manual_seed(seed)
    model_type, settings = CONFIGURATIONS[name]
    module = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **settings)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) / 3)
    return LanguageModel(name, module, tiny_tokenizer(), torch.device("cpu"))
