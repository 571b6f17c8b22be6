"""A causal language model in this process: activations at a hook point, log-probabilities, text."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.errors import InputError
from labeler.models.names import resolve
from labeler.models.quiet import hush
from labeler.models.turn import TURN

_HOOK = re.compile(r"^blocks\.(\d+)\.hook_resid_(pre|post)$")


class _StopForward(Exception):  # noqa: N818 - a signal, not an error
    """Ends a forward pass at the layer that was wanted."""


@dataclass(frozen=True)
class HookPoint:
    """A place in the residual stream, named as TransformerLens names it: ``blocks.{layer}.hook_resid_{pre|post}``."""

    layer: int
    after: bool

    @classmethod
    def parse(cls, name: str) -> HookPoint:
        """Raises InputError for a name of another form."""
        match = _HOOK.match(name)
        if match is None:
            raise InputError(
                f"unknown hook point '{name}'; supported: blocks.N.hook_resid_post, blocks.N.hook_resid_pre"
            )
        return cls(int(match[1]), match[2] == "post")


@dataclass(frozen=True)
class LanguageModel:
    """A Hugging Face causal model with its tokenizer, on one device, in evaluation mode."""

    name: str
    module: Any
    tokenizer: Any
    device: torch.device

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.module.config.hidden_size)

    @property
    def bos_id(self) -> int:
        """The token that every window starts with: ``<|endoftext|>`` where the vocabulary has it, else BOS, else EOS.

        Document separators of pre-training are the start that base weights have seen most.
        """
        end_of_text = self.tokenizer.convert_tokens_to_ids("<|endoftext|>")
        if end_of_text is not None and self.tokenizer.convert_ids_to_tokens(end_of_text) == "<|endoftext|>":
            return int(end_of_text)
        for token_id in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if token_id is not None:
                return int(token_id)
        raise InputError(f"the tokenizer of '{self.name}' has no token to start a window with (BOS or EOS)")

    def layers(self) -> Any:
        """The list of decoder blocks, wherever the architecture keeps it."""
        for path in (
            "model.layers",
            "transformer.h",
            "gpt_neox.layers",
            "model.decoder.layers",
            "language_model.layers",
        ):
            try:
                return functools.reduce(getattr, path.split("."), self.module)
            except AttributeError:
                continue
        raise InputError(f"cannot find the layers of '{self.name}' ({type(self.module).__name__})")

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def tokenise(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Token ids of a text, without special tokens, and where in it each token ends, in characters: [n] twice.

        A token's text is what stands between the end before it and its own, whatever the vocabulary does with spaces;
        of several tokens that make one character the first has it. Raises InputError for a tokenizer without offsets.
        """
        if not self.tokenizer.is_fast:
            raise InputError(f"the tokenizer of '{self.name}' gives no offsets; use its fast version (tokenizer.json)")
        found = self.tokenizer(text, add_special_tokens=False, verbose=False, return_offsets_mapping=True)
        ends = np.asarray(found["offset_mapping"], dtype=np.int64).reshape(-1, 2)[:, 1]
        return np.asarray(found["input_ids"], dtype=np.int32), np.maximum.accumulate(ends)

    def vocabulary(self) -> list[str]:
        """Every token decoded by itself, for lists of tokens; joined they need not give a text back."""
        return list(self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))]))

    @torch.inference_mode()
    def hidden(self, ids: Tensor, hook: HookPoint, attention_mask: Tensor | None = None) -> Tensor:
        """Residual stream at a hook point: ids [batch, seq] -> [batch, seq, d_model]; later layers do not run."""
        layers = self.layers()
        if not 0 <= hook.layer < len(layers):
            raise InputError(
                f"hook layer {hook.layer} is out of range: '{self.name}' has layers 0 to {len(layers) - 1}"
            )
        kept: list[Tensor] = []

        def stop(_module: Any, args: Any, kwargs: Any, output: Any = None) -> None:
            if hook.after:
                kept.append(output[0] if isinstance(output, tuple) else output)
            else:
                kept.append(args[0] if args else kwargs["hidden_states"])
            raise _StopForward

        block = layers[hook.layer]
        handle = (
            block.register_forward_hook(stop, with_kwargs=True)
            if hook.after
            else block.register_forward_pre_hook(stop, with_kwargs=True)
        )
        try:
            self.module(
                input_ids=ids.to(self.device),
                attention_mask=None if attention_mask is None else attention_mask.to(self.device),
                use_cache=False,
            )
        except _StopForward:
            pass
        finally:
            handle.remove()
        return kept[0]

    def unembedding(self) -> Tensor:
        """What reads the residual stream out, with the final norm's scale folded in: [vocabulary, d_model].

        Rows beyond the tokenizer's vocabulary, with which many models are padded, are left out.
        """
        weight = self.module.get_output_embeddings().weight.detach()[: len(self.tokenizer)].float()
        for path in ("model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm", "model.decoder.final_layer_norm"):
            try:
                norm = functools.reduce(getattr, path.split("."), self.module)
            except AttributeError:
                continue
            return weight * norm.weight.detach().float()
        return weight


def load_language_model(name: str) -> LanguageModel:
    """Load a model by built-in name, folder or hub name, in bfloat16; the last two stay loaded.

    Raises InputError naming the model where it cannot be loaded.
    """
    with TURN:
        return _load(name)


@functools.lru_cache(maxsize=2)
def _load(name: str) -> LanguageModel:
    hush()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = resolve(name)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        module = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"cannot load the language model '{name}': {reason}") from error
    return LanguageModel(name, module.eval().to(device), tokenizer, device)
