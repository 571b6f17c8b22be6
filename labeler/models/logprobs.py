"""How likely a language model in this process finds texts that are given."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.errors import InputError
from labeler.models.batching import batches
from labeler.models.language import LanguageModel

_BATCH_TOKENS = 1_280  # of one forward pass, padding included
_HEAD_ROWS = 192  # of logits at once, in the model's own precision: 38 MB for 49,152 words in float32
_HEAD_WORDS = 2_048  # of them at once in float32, so that the exponentials stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Found:
    """Log-probabilities of a text's tokens."""

    offsets: NDArray[np.int64]
    """[n_tokens, 2] where each token begins and ends in the text, in characters."""
    logprobs: NDArray[np.float32]
    """[n_tokens], natural logarithms."""
    among: NDArray[np.float32] | None
    """[n_tokens, n_alternatives] what each alternative had instead of the token; None where nobody asked."""


@torch.inference_mode()
def logprobs(model: LanguageModel, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[Found]:
    """Natural-log probability of each token of each text, after the model's start token and the prefix.

    Each text is tokenised by itself, so its tokens are the same behind every prefix. The prefix runs once, and all
    texts go on from its keys and values. With ``among``, what these had at every token instead. Raises InputError where
    prefix and text exceed the context, for an alternative that is not one token, and for a tokenizer that cannot say
    where its tokens stand.
    """
    if not model.tokenizer.is_fast:
        raise InputError(f"the tokenizer of '{model.name}' gives no character offsets; a fast tokenizer does")
    others = torch.tensor([one_token(model, text) for text in among], dtype=torch.long, device=model.device)
    nothing = torch.empty(0, 1 + len(others))
    if not any(texts):
        return [_result([], nothing) for _ in texts]
    tokens = model.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    start = [model.separator_id, *model.encode(prefix)]
    encoded: list[list[int]] = tokens.input_ids
    check_room(model, len(start) + max(map(len, encoded)))

    before = model.module.base_model(input_ids=torch.tensor([start], device=model.device), use_cache=True)
    first = logits_of(model, before.last_hidden_state[0, -1]).log_softmax(-1)
    found = {i: nothing for i, ids in enumerate(encoded) if not ids}
    for batch in batches([len(ids) for ids in encoded], _BATCH_TOKENS):
        group = [encoded[i] for i in batch]
        later = _later(model, before.past_key_values, group, others).cpu()
        model.ran(sum(map(len, group)))
        for i, ids, rest in zip(batch, group, later.split([len(ids) - 1 for ids in group]), strict=True):
            found[i] = torch.cat([torch.cat([first[ids[:1]], first[others]]).cpu().unsqueeze(0), rest])
    return [_result(offsets, found[i]) for i, offsets in enumerate(tokens.offset_mapping)]


def one_token(model: LanguageModel, text: str) -> int:
    """The id of the token that stands for a text as it is; InputError where there is none."""
    ids = model.encode(text)
    if len(ids) == 1:
        return ids[0]
    # Some tokenizers set a space before whatever they are given alone, though their vocabulary has the bare text too.
    known: int | None = model.tokenizer.get_vocab().get(text)
    if known is None:
        raise InputError(f"{text[:40]!a} is not one token of '{model.name}' but {len(ids)}")
    return known


def context_size(model: LanguageModel) -> int | None:
    """The most tokens that the model sees at once; None where it has no limit."""
    return getattr(model.module.config, "max_position_embeddings", None)


def check_room(model: LanguageModel, tokens: int) -> None:
    """Raises InputError where the model does not see so many tokens at once."""
    size = context_size(model)
    if size is not None and tokens > size:
        raise InputError(f"{tokens} tokens are more than the {size} that '{model.name}' sees at once")


def logits_of(model: LanguageModel, hidden: Tensor) -> Tensor:
    """[..., d_model] after the final norm -> [..., vocabulary] float32."""
    return _capped(model, model.module.get_output_embeddings()(hidden))


def _later(model: LanguageModel, prefix: Any, group: Sequence[Sequence[int]], others: Tensor) -> Tensor:
    """Log-probabilities of all tokens but the first of each text, one text after the other: [tokens, 1 + others]."""
    # The last token predicts nothing that is asked for, so it does not run. Padding stands on the right, where a causal
    # model cannot see it: no mask is needed.
    lengths = [len(ids) - 1 for ids in group]
    width = max(lengths)
    if width == 0:
        return torch.empty(0, 1 + len(others))
    ids = torch.tensor(
        [[*ids[:-1], *[model.separator_id] * (width - len(ids) + 1)] for ids in group], device=model.device
    )
    cache = copy.deepcopy(prefix)
    cache.batch_repeat_interleave(len(group))
    hidden = model.module.base_model(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    targets = torch.tensor([token for ids in group for token in ids[1:]], device=model.device)
    return _picked(model, hidden[real.to(model.device)], targets, others)


def _picked(model: LanguageModel, hidden: Tensor, targets: Tensor, others: Tensor) -> Tensor:
    """Log-probabilities of one token a row, and of the others: [n, d_model], [n], [k] -> [n, 1 + k]."""
    picked = []
    for rows, words in zip(hidden.split(_HEAD_ROWS), targets.split(_HEAD_ROWS), strict=True):
        logits = model.module.get_output_embeddings()(rows)
        parts = [_capped(model, part).logsumexp(-1) for part in logits.split(_HEAD_WORDS, dim=-1)]
        wanted = torch.cat([words[:, None], others.expand(len(words), -1)], dim=1)
        picked.append(_capped(model, logits.gather(-1, wanted)) - torch.stack(parts).logsumexp(0)[:, None])
    return torch.cat(picked)


def _capped(model: LanguageModel, logits: Tensor) -> Tensor:
    """In float32, and softly capped where the model was trained so."""
    cap = getattr(model.module.config, "final_logit_softcapping", None)
    return logits.float() if cap is None else cap * torch.tanh(logits.float() / cap)


def _result(offsets: Sequence[tuple[int, int]], values: Tensor) -> Found:
    """Of [n_tokens, 1 + alternatives]."""
    found = values.numpy().astype(np.float32)
    return Found(
        offsets=np.asarray(offsets, dtype=np.int64).reshape(-1, 2),
        logprobs=found[:, 0],
        among=found[:, 1:] if found.shape[1] > 1 else None,
    )
