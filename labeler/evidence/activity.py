"""From a batch of windows and what a model computes on them to contexts and what is active there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.contexts import Contexts
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.pairs import Pairs
from labeler.evidence.sampling import split_of
from labeler.evidence.windows import Window
from labeler.features import SPLITS

AT_ONCE = 1024
"""Tokens that a dictionary encodes at once."""


def cut(batch: list[Window], first: int, length: int) -> tuple[Contexts, NDArray[np.bool_]]:
    """Windows cut into contexts of at most ``length`` tokens, the corpus's from ordinal ``first`` on.

    Returns those that have a split, and which of the windows' tokens are theirs: [n_tokens].
    """
    every = [window.cut(start, start + length) for window in batch for start in range(0, len(window.ids), length)]
    splits = np.concatenate([_splits(window, length) for window in batch])
    kept = splits < len(SPLITS)
    pieces = [every[at] for at in np.flatnonzero(kept)]
    contexts = Contexts.of(
        first=first,
        tokens=[piece.ids for piece in pieces],
        ends=[piece.ends for piece in pieces],
        texts=[piece.text for piece in pieces],
        documents=[piece.document for piece in pieces],
        splits=splits[kept],
        length=length,
    )
    return contexts, np.repeat(kept, [len(piece.ids) for piece in every])


def _splits(window: Window, length: int) -> NDArray[np.uint8]:
    if window.splits is not None:
        return window.splits
    return np.full(-(-len(window.ids) // length), split_of(window.document), dtype=np.uint8)


def activity(contexts: Contexts, hidden: Tensor, dictionary: Dictionary) -> Pairs:
    """What is active in the contexts: hidden [tokens, d_model] of all of them in turn.

    On a token that the dictionary's training left out, nothing is.
    Raises InputError where an activation is NaN or infinite.
    """
    rows, features, values = [], [], []
    ids = contexts.tokens[contexts.tokens >= 0]
    excluded = dictionary.excluded if isinstance(dictionary.excluded, tuple) else ()
    read = torch.from_numpy(~np.isin(ids, excluded)).to(hidden.device)
    for start in range(0, len(hidden), AT_ONCE):
        row, feature, value = dictionary.active(hidden[start : start + AT_ONCE])
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                f"the activations at {dictionary.hook} through this dictionary are NaN or infinite; "
                "check that the dictionary belongs to this model and layer"
            )
        # Stored in half precision: what would become infinite stays the largest number there is.
        half = value.clamp(max=65504).half()
        kept = (half > 0) & read[row + start]
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
