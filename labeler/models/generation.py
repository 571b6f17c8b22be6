"""Continuing texts with a language model in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from labeler.models.language import LanguageModel
from labeler.models.logprobs import check_room, context_size, logits_of, logprobs

__all__ = ["Generated", "generate", "logprobs", "prompt_ids"]


@dataclass(frozen=True)
class Generated:
    """What a model wrote after a prompt."""

    text: str
    """Up to the stop string or the end token, both left out."""
    input_tokens: int
    """The start token included."""
    output_tokens: int
    """The one that ended the text included."""
    truncated: bool
    """Whether it ended only because it might not be longer."""


@dataclass
class _Row:
    """A text in the making."""

    index: int
    input_tokens: int
    limit: int
    temperature: float
    dice: torch.Generator
    stops: Sequence[str]
    ids: list[int] = field(default_factory=list)


def prompt_ids(model: LanguageModel, prompt: str) -> list[int]:
    """A prompt's tokens behind the model's start token; none is added before a special token, as of a chat template.

    Raises InputError for a prompt that leaves no room for an answer.
    """
    ids = model.encode(prompt)
    special = {token_id for token_id, token in model.tokenizer.added_tokens_decoder.items() if token.special}
    if not ids or ids[0] not in special:
        ids = [model.bos_id, *ids]
    check_room(model, len(ids) + 1)
    return ids


@torch.inference_mode()
def generate(
    model: LanguageModel,
    prompts: Sequence[str],
    *,
    max_tokens: Sequence[int],
    temperatures: Sequence[float | None],
    seeds: Sequence[int],
    stops: Sequence[Sequence[str]] | None = None,
) -> list[Generated]:
    """Continue all prompts at once; every argument has one entry a prompt.

    A text ends at an end token of the model, at the first of its stop strings, at ``max_tokens``, or where the context
    is full. Temperature 0 or None takes the likeliest token. A seed makes its own text's draws and nobody else's, so
    neighbours change a text only by the rounding of a batch of another shape. Raises InputError for a prompt that
    leaves no room for an answer.
    """
    encoded = [prompt_ids(model, prompt) for prompt in prompts]
    if not encoded:
        return []
    rows = [
        _Row(
            index=i,
            input_tokens=len(ids),
            limit=min(max_tokens[i], (context_size(model) or len(ids) + max_tokens[i]) - len(ids)),
            temperature=temperatures[i] or 0.0,
            dice=torch.Generator().manual_seed(seeds[i]),
            stops=stops[i] if stops is not None else (),
        )
        for i, ids in enumerate(encoded)
    ]
    ends = _end_ids(model)
    done: dict[int, Generated] = {}

    width = max(map(len, encoded))
    ids = torch.tensor([[model.bos_id] * (width - len(row)) + row for row in encoded], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in encoded], device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = None
    while True:
        output = model.module.base_model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        chosen = _choose(logits_of(model, output.last_hidden_state[:, -1]), rows)
        kept = []
        for place, (row, token) in enumerate(zip(rows, chosen, strict=True)):
            row.ids.append(token)
            ended = _ended(model, row, ends)
            if ended is None:
                kept.append(place)
            else:
                done[row.index] = ended
        if not kept:
            return [done[i] for i in range(len(encoded))]
        if len(kept) < len(rows):
            rows = [rows[place] for place in kept]
            still = torch.tensor(kept, device=model.device)
            cache.batch_select_indices(still)
            mask, positions = mask[still], positions[still]
        ids = torch.tensor([[row.ids[-1]] for row in rows], device=model.device)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=-1)
        positions = positions[:, -1:] + 1


def _choose(logits: Tensor, rows: Sequence[_Row]) -> list[int]:
    """The next token of each row: [rows, vocabulary] -> ids."""
    chosen: list[int] = logits.argmax(-1).tolist()
    drawn = [place for place, row in enumerate(rows) if row.temperature > 0]
    if drawn:
        heat = torch.tensor([[rows[place].temperature] for place in drawn], device=logits.device)
        # One number a token, looked up in the cumulated probabilities: a rounding error then rarely changes a draw.
        cumulated = (logits[drawn] / heat).softmax(-1).double().cumsum(-1)
        dice = [torch.rand(1, generator=rows[place].dice, dtype=torch.float64) for place in drawn]
        thrown = torch.stack(dice).to(logits.device) * cumulated[:, -1:]
        found = torch.searchsorted(cumulated, thrown, right=True).clamp(max=logits.shape[-1] - 1)
        for place, token in zip(drawn, found[:, 0].tolist(), strict=True):
            chosen[place] = token
    return chosen


def _ended(model: LanguageModel, row: _Row, ends: frozenset[int]) -> Generated | None:
    """The finished text, where the row's newest token ends it."""
    if row.ids[-1] in ends:
        return Generated(_decode(model, row.ids[:-1]), row.input_tokens, len(row.ids), truncated=False)
    full = len(row.ids) >= row.limit
    if not row.stops and not full:
        return None
    text = _decode(model, row.ids)
    found = [place for place in map(text.find, row.stops) if place >= 0]
    if not found and not full:
        return None
    return Generated(text[: min(found, default=None)], row.input_tokens, len(row.ids), truncated=not found)


def _decode(model: LanguageModel, ids: list[int]) -> str:
    return str(model.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _end_ids(model: LanguageModel) -> frozenset[int]:
    """The tokens after which a text is over: EOS, a chat turn's end, and what separates documents."""
    tokenizer = model.tokenizer
    ids: set[Any] = {model.bos_id, tokenizer.eos_token_id}
    configured = getattr(model.module.generation_config, "eos_token_id", None)
    ids.update(configured if isinstance(configured, list) else [configured])
    turn = tokenizer.convert_tokens_to_ids("<|im_end|>")
    if turn != tokenizer.unk_token_id:
        ids.add(turn)
    return frozenset(token_id for token_id in ids if token_id is not None)
