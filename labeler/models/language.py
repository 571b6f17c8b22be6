"""A causal language model in this process: activations at a hook point, log-probabilities, text."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labeler.errors import InputError
from labeler.models.hooks import HookPoint
from labeler.models.layouts import places_of
from labeler.models.names import resolve, usual
from labeler.models.precision import precision
from labeler.models.taps import Tap, gain, tapped
from labeler.models.turn import TURN
from labeler.progress import doing, tell


def hush() -> None:
    """Turn off the progress bars and advice of transformers and tokenizers; call before a model is loaded."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


_RAN: Counter[str] = Counter()

END_OF_TEXT = "<|endoftext|>"

_FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm")


@dataclass(frozen=True)
class LanguageModel:
    """A Hugging Face causal model with its tokenizer, on one device, in evaluation mode."""

    name: str
    module: Any
    tokenizer: Any
    device: torch.device

    def __repr__(self) -> str:
        return f"LanguageModel({self.name!r}, a {type(self.module).__name__} on {self.device})"

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.module.config.get_text_config().hidden_size)

    @property
    def bos_id(self) -> int:
        """The token that dictionaries were trained behind: the tokenizer's BOS, else ``<|endoftext|>``, else EOS.

        Raises InputError where the tokenizer has none of these.
        """
        if self.tokenizer.bos_token_id is not None:
            return int(self.tokenizer.bos_token_id)
        return self.separator_id

    @property
    def separator_id(self) -> int:
        """The token that texts of one's own start with: ``<|endoftext|>`` where the vocabulary has it, else BOS, else EOS.

        Document separators of pre-training are the start that base weights have seen most. Raises InputError where the
        tokenizer has none of these.
        """
        end_of_text = self._id(END_OF_TEXT)
        for token_id in (end_of_text, self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if token_id is not None:
                return int(token_id)
        raise InputError(f"the tokenizer of '{self.name}' has no token to start a window with (BOS or EOS)")

    def first_id(self, token: str) -> int:
        """The id of a token that texts begin with, by its name; the tokenizer's BOS for ''.

        Raises InputError where the vocabulary has no such token.
        """
        if not token:
            return self.bos_id
        found = self._id(token)
        if found is None:
            raise InputError(f"'{token}', which the dictionary was trained behind, is no token of '{self.name}'")
        return found

    def _id(self, token: str) -> int | None:
        found = self.tokenizer.convert_tokens_to_ids(token)
        return int(found) if found is not None and self.tokenizer.convert_ids_to_tokens(found) == token else None

    @property
    def longest(self) -> int | None:
        """Tokens that it can take at once; None where its configuration does not say."""
        found = getattr(self.module.config.get_text_config(), "max_position_embeddings", None)
        return found if isinstance(found, int) and found > 1 else None

    def layers(self) -> Any:
        """The list of decoder blocks, wherever the architecture keeps it."""
        layers = _first(self.module.get_decoder(), ("layers", "h", "blocks"))
        if layers is None:
            raise InputError(f"cannot find the layers of '{self.name}' ({type(self.module).__name__})")
        return layers

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

    @property
    def centres(self) -> bool:
        """Whether its norms take each token's mean off (LayerNorm), so that the residual stream's own mean says nothing."""
        return isinstance(_first(self.module.get_decoder(), _FINAL_NORMS), nn.LayerNorm)

    def width(self, hook: HookPoint) -> int:
        """How many dimensions the activations at a hook point have; one token is run up to there to find out."""
        return int(self.activations(torch.zeros(1, 1, dtype=torch.long), [hook])[0].shape[-1])

    @torch.inference_mode()
    def activations(self, ids: Tensor, hooks: Sequence[HookPoint]) -> list[Tensor]:
        """What passes each hook point in one forward pass: ids [batch, seq] -> [batch, seq, width] of every hook.

        Nothing behind the last of them runs. Of a text that is padded on the right, what stands under the padding is
        meaningless and the rest is not touched by it. Raises InputError for a layer that is out of range, and for a place
        that the architecture does not have.
        """
        taps = [self._tap(hook) for hook in hooks]
        with tapped(taps) as kept:
            self.module.get_decoder()(input_ids=ids.to(self.device), use_cache=False)
        found: list[Tensor] = []
        for hook, value in zip(hooks, kept, strict=True):
            # Some blocks run on [batch · seq, width] inside.
            flat = value is not None and value.ndim == 2 and len(value) == ids.numel()
            if value is None or not (flat or (value.ndim > 2 and value.shape[:2] == ids.shape)):
                raise InputError(f"nothing of the shape [batch, seq, width] passes '{hook}' in '{self.name}'")
            found.append(value.reshape(*ids.shape, -1))
        return found

    def writes(self, hook: HookPoint) -> Tensor | None:
        """The linear map from a hook point into the residual stream: [width, d_model], float32.

        For neurons the down projection, for attention's z the output projection. Where a norm stands between that and
        the residual stream its learned scale is folded in; its division, one positive number a token, is left out. None
        where the place is the residual stream or in its basis, or where nothing linear leads from it there.
        """
        tap, places = self._tap(hook), self._places(hook.layer)
        for place, written in (("mlp.hook_post", "hook_mlp_out"), ("attn.hook_z", "hook_attn_out")):
            if place not in places or tap != self._tap(HookPoint(hook.layer, place)):
                continue
            weight = tap.module.get_parameter("weight").detach().float()
            weight = weight.T if isinstance(tap.module, nn.Linear) else weight  # GPT-2 keeps it as [in, out]
            added = self._tap(HookPoint(hook.layer, written)).module
            is_norm = any(name == "weight" and parameter.ndim == 1 for name, parameter in added.named_parameters())
            return weight * gain(added, self.d_model) if is_norm else weight
        return None

    def unembedding(self) -> Tensor:
        """What reads the residual stream out, with the final norm's scale folded in: [vocabulary, d_model].

        Rows beyond the tokenizer's vocabulary, with which many models are padded, are left out. Raises InputError for a
        model that maps the residual stream to another width first.
        """
        weight = self.module.get_output_embeddings().weight.detach()[: len(self.tokenizer)].float()
        if weight.shape[1] != self.d_model:
            raise InputError(f"the unembedding of '{self.name}' reads {weight.shape[1]} dimensions, not {self.d_model}")
        norm = _first(self.module.get_decoder(), _FINAL_NORMS)
        found: Tensor = weight if norm is None else weight * gain(norm, self.d_model).to(weight.device)
        return found

    def ran(self, tokens: int) -> None:
        """Tell whoever waits that so many more tokens were run."""
        _RAN[self.name] += tokens
        tell(f"running {self.name}", _RAN[self.name], None, "tokens")

    def _places(self, layer: int) -> Mapping[str, str]:
        return places_of(self.module.config.get_text_config(), self.layers()[layer])

    def _tap(self, hook: HookPoint) -> Tap:
        layers = self.layers()
        if not 0 <= hook.layer < len(layers):
            raise InputError(f"'{hook}' is out of range: '{self.name}' has layers 0 to {len(layers) - 1}")
        places = self._places(hook.layer)
        try:
            return Tap.at(layers[hook.layer], places.get(hook.place, hook.place))
        except AttributeError:
            raise InputError(
                f"'{self.name}' ({type(self.module).__name__}) has no place '{hook}'; it has a block's own modules "
                f"(layers.N.…) and in blocks.N.: {', '.join(places)}"
            ) from None


def _first(module: Any, names: Sequence[str]) -> Any:
    """The first of these attributes that is there; None where none is."""
    return next((found for name in names if (found := getattr(module, name, None)) is not None), None)


def load_language_model(name: str) -> LanguageModel:
    """Load a model by built-in name, folder or hub name, on the GPU where there is one; the last two stay loaded.

    In bfloat16 where this machine is fast at it, else in float32. Raises InputError naming the model where it cannot be
    loaded.
    """
    with TURN:
        return _load(usual(name))


@functools.lru_cache(maxsize=2)
def _load(name: str) -> LanguageModel:
    with doing(f"loading {name}"):
        source = resolve(name)
        hush()
        from transformers import AutoModelForCausalLM, AutoTokenizer

        fast = precision()
        try:
            # Code that a model brings along is not run, nor is anyone asked whether it should be.
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            module = AutoModelForCausalLM.from_pretrained(source, dtype=fast.dtype, trust_remote_code=False)
        except Exception as error:  # a damaged folder makes these raise almost anything
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"cannot load the language model '{name}': {reason}") from error
        return LanguageModel(name, module.eval().to(fast.device), tokenizer, fast.device)
