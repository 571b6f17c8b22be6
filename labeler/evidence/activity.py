"""From a batch of windows and what a model computes on them to contexts and what is active there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.contexts import Contexts
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.pairs import Pairs
from labeler.evidence.windows import Window

AT_ONCE = 1024
"""Tokens that a dictionary encodes at once."""


def cut(batch: list[Window], first: int, length: int) -> Contexts:
    """Windows cut into contexts of at most ``length`` tokens, the corpus's from ordinal ``first`` on."""
    pieces = [window.cut(start, start + length) for window in batch for start in range(0, len(window.ids), length)]
    return Contexts.of(
        first=first,
        tokens=[piece.ids for piece in pieces],
        ends=[piece.ends for piece in pieces],
        texts=[piece.text for piece in pieces],
        documents=[piece.document for piece in pieces],
        length=length,
    )


def activity(contexts: Contexts, hidden: Tensor, dictionary: Dictionary) -> Pairs:
    """What is active in the contexts: hidden [tokens, d_model] of all of them in turn.

    Raises InputError where an activation is NaN or infinite.
    """
    rows, features, values = [], [], []
    for start in range(0, len(hidden), AT_ONCE):
        row, feature, value = dictionary.active(hidden[start : start + AT_ONCE])
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                f"the activations at {dictionary.hook} through this dictionary are NaN or infinite; "
                "check that the dictionary belongs to this model and layer"
            )
        # Stored in half precision: what would become infinite stays the largest number there is.
        half = value.clamp(max=65504).half()
        kept = half > 0
        rows.append((row[kept] + start).cpu().numpy())
        features.append(feature[kept].cpu().numpy())
        values.append(half[kept].cpu().numpy())
    at = np.concatenate(rows)
    lengths = contexts.lengths.astype(np.int64)
    context = np.repeat(np.arange(len(contexts)), lengths)
    position = np.arange(len(context)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Pairs.of_active(
        np.concatenate(features), contexts.ordinal[context[at]], position[at], np.concatenate(values)
    )
