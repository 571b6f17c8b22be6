"""Text cut into windows of tokens, and the residual stream on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.evidence.corpus import Passage
from labeler.models.language import HookPoint, LanguageModel

WINDOW = 128
"""Tokens that the model sees at once, beside the one that starts every window."""


@dataclass(frozen=True)
class Window:
    """Up to ``WINDOW`` consecutive tokens of one document."""

    document: str
    ids: NDArray[np.int32]
    """[n]"""
    text: str
    """What the tokens stand for."""
    ends: NDArray[np.int64]
    """[n] where in the text each token ends, in characters."""

    def cut(self, start: int, stop: int) -> Window:
        """The tokens from ``start`` to ``stop``, with their text."""
        begin = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start:stop]
        return Window(self.document, self.ids[start:stop], self.text[begin : int(ends[-1])], ends - begin)


def windows(passages: Iterable[Passage], model: LanguageModel, size: int = WINDOW) -> Iterator[Window]:
    """Each passage tokenised and cut into windows; the last one of a passage may be shorter."""
    for passage in passages:
        ids, ends = model.tokenise(passage.text)
        whole = Window(passage.document, ids, passage.text, ends)
        for start in range(0, len(ids), size):
            yield whole.cut(start, start + size)


def batches(stream: Iterable[Window], tokens: int) -> Iterator[list[Window]]:
    """Runs of consecutive windows that hold at least this many tokens together (the last one may hold fewer)."""
    iterator = iter(stream)
    while True:
        batch, held = [], 0
        for window in iterator:
            batch.append(window)
            held += len(window.ids)
            if held >= tokens:
                break
        if not batch:
            return
        yield batch


def residuals(model: LanguageModel, hook: HookPoint, batch: list[Window], rows: int = 16) -> Tensor:
    """The residual stream on every token of the windows, one after the other: [tokens, d_model], model's dtype.

    Every window starts with the model's first token, whose own residual is dropped: attention parks itself there, and
    its norm is a hundred times everyone else's. Windows run in groups of like length, so that little is padding.
    """
    order = sorted(range(len(batch)), key=lambda i: -len(batch[i].ids))
    found: list[Tensor | None] = [None] * len(batch)
    for group in (order[start : start + rows] for start in range(0, len(order), rows)):
        lengths = [len(batch[i].ids) for i in group]
        ids = torch.zeros(len(group), max(lengths) + 1, dtype=torch.long)
        ids[:, 0] = model.bos_id
        for row, i in enumerate(group):
            ids[row, 1 : lengths[row] + 1] = torch.from_numpy(batch[i].ids)
        # Padding stands on the right, where a causal model cannot see it: no mask is needed.
        hidden = model.hidden(ids, hook)
        for row, i in enumerate(group):
            found[i] = hidden[row, 1 : lengths[row] + 1]
    return torch.cat([h for h in found if h is not None])
