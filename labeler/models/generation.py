"""Texts that a language model in this process writes, token by token: what is wanted, what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labeler.models.language import LanguageModel
from labeler.models.logprobs import check_room, context_size


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A text to be written.

    It ends at an end token of the model, at the first of its stop strings, at ``max_tokens``, or where the context is
    full.
    """

    prompt: Sequence[int]
    """The tokens that it goes on from (see ``prompt_ids``)."""
    max_tokens: int
    temperature: float | None = None
    """0 or None takes the likeliest token."""
    seed: int = 0
    """Makes this text's draws and nobody else's."""
    stops: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What a model wrote after a prompt."""

    text: str
    """Up to the stop string or the end token, both left out."""
    input_tokens: int
    """The start token included."""
    cached_tokens: int = 0
    """Those of them that were not run again, because a prompt before began with the same."""
    output_tokens: int
    """The one that ended the text included."""
    truncated: bool
    """Whether it ended only because it might not be longer."""


def prompt_ids(model: LanguageModel, prompt: str) -> list[int]:
    """A prompt's tokens behind the model's start token; none is added before a special token, as of a chat template.

    Raises InputError for a prompt that leaves no room for an answer.
    """
    ids = model.encode(prompt)
    special = {token_id for token_id, token in model.tokenizer.added_tokens_decoder.items() if token.special}
    if not ids or ids[0] not in special:
        ids = [model.separator_id, *ids]
    check_room(model, len(ids) + 1)
    return ids


class Writing:
    """A text in the making."""

    def __init__(self, model: LanguageModel, wanted: Wanted) -> None:
        self.wanted = wanted
        self.ids: list[int] = []
        """What is written so far."""
        self.cached_tokens = 0
        self.dice = torch.Generator().manual_seed(wanted.seed)
        self._model = model
        self._ends = end_ids(model)
        room = context_size(model)
        self._limit = wanted.max_tokens if room is None else min(wanted.max_tokens, room - len(wanted.prompt))

    def add(self, token: int) -> Generated | None:
        """One more token; the finished text, where it ends it."""
        self.ids.append(token)
        if token in self._ends:
            return self._done(self._decoded(self.ids[:-1]), truncated=False)
        full = len(self.ids) >= self._limit
        if not self.wanted.stops and not full:
            return None
        text = self._decoded(self.ids)
        found = [place for place in map(text.find, self.wanted.stops) if place >= 0]
        if not found and not full:
            return None
        return self._done(text[: min(found, default=None)], truncated=not found)

    def _done(self, text: str, *, truncated: bool) -> Generated:
        return Generated(
            text=text,
            input_tokens=len(self.wanted.prompt),
            cached_tokens=self.cached_tokens,
            output_tokens=len(self.ids),
            truncated=truncated,
        )

    def _decoded(self, ids: list[int]) -> str:
        decode = self._model.tokenizer.decode
        return str(decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def choose(logits: Tensor, texts: Sequence[Writing]) -> list[int]:
    """The next token of each text: [texts, vocabulary] -> ids."""
    chosen: list[int] = logits.argmax(-1).tolist()
    heats = {place: text.wanted.temperature for place, text in enumerate(texts) if text.wanted.temperature}
    if heats:
        drawn = list(heats)
        heat = torch.tensor([[temperature] for temperature in heats.values()])
        # One number a token, looked up in the cumulated probabilities: a rounding error then rarely changes a draw. On the
        # processor, for not every accelerator knows numbers of 64 bits.
        cumulated = (logits[drawn].cpu() / heat).softmax(-1).double().cumsum(-1)
        dice = [torch.rand(1, generator=texts[place].dice, dtype=torch.float64) for place in drawn]
        thrown = torch.stack(dice) * cumulated[:, -1:]
        found = torch.searchsorted(cumulated, thrown, right=True).clamp(max=logits.shape[-1] - 1)
        for place, token in zip(drawn, found[:, 0].tolist(), strict=True):
            chosen[place] = token
    return chosen


def end_ids(model: LanguageModel) -> frozenset[int]:
    """The tokens after which a text is over: EOS, a chat turn's end, and what separates documents."""
    tokenizer = model.tokenizer
    ids: set[Any] = {model.separator_id, tokenizer.eos_token_id}
    configured = getattr(model.module.generation_config, "eos_token_id", None)
    ids.update(configured if isinstance(configured, list) else [configured])
    turn = tokenizer.convert_tokens_to_ids("<|im_end|>")
    if turn != tokenizer.unk_token_id:
        ids.add(turn)
    return frozenset(token_id for token_id in ids if token_id is not None)
