"""Text cut into windows of tokens, and what a model computes on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.evidence.copies import Splits
from labeler.evidence.corpus import Passage
from labeler.evidence.dictionaries.base import WINDOW
from labeler.evidence.formats.marks import is_mark
from labeler.features import SPLITS
from labeler.models.hooks import HookPoint
from labeler.models.language import LanguageModel

ROWS = {"cpu": 16, "cuda": 128, "mps": 32}
"""Full windows a forward pass. On two cores 16 and 32 are fastest, 64 loses a tenth; a GPU wants more to do."""


@dataclass(frozen=True, eq=False)
class Window:
    """Up to ``WINDOW`` consecutive tokens of one document."""

    document: str
    ids: NDArray[np.int32]
    """[n]"""
    text: str
    """What the tokens stand for."""
    ends: NDArray[np.int64]
    """[n] where in the text each token ends, in characters."""
    passage: int
    """Which passage of the corpus it was cut from, counted from 0."""
    start: int
    """Its first token's place in the passage."""
    splits: NDArray[np.uint8] | None = None
    """[n_contexts] the split of each of its contexts, beyond ``SPLITS`` where it is left out; None where nobody said."""
    n_kept: int = 0
    """Tokens of those of its contexts that have a split."""
    n_documents: int = 0
    """Documents of the corpus so far, its own the last."""
    n_left_out: int = 0
    """Contexts of the corpus that are left out so far, its own included."""

    @property
    def place(self) -> tuple[int, int]:
        """Its passage, and its first token there."""
        return self.passage, self.start

    def cut(self, start: int, stop: int) -> Window:
        """The tokens from ``start`` to ``stop``, with their text."""
        begin = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start:stop]
        text = self.text[begin : int(ends[-1])]
        return Window(self.document, self.ids[start:stop], text, ends - begin, self.passage, self.start + start)


def windows(passages: Iterable[Passage], model: LanguageModel, size: int = WINDOW) -> Iterator[Window]:
    """Each passage tokenised and cut into windows, and at marks between documents, which are left out.

    Rows of a packed corpus hold several documents; the last window of each may be shorter.
    """
    between = _marks(model.tokenizer)
    for number, passage in enumerate(passages):
        ids, ends = model.tokenise(passage.text)
        whole = Window(passage.document, ids, passage.text, ends, number, 0)
        marks = np.flatnonzero(np.isin(ids, between)).tolist()
        for first, last in zip([0, *(at + 1 for at in marks)], [*marks, len(ids)], strict=True):
            for start in range(first, last, size):
                yield whole.cut(start, min(start + size, last))


def placed(stream: Iterable[Window], length: int) -> Iterator[Window]:
    """Windows with the split of each of their contexts of ``length`` tokens; all windows of a corpus from the first on."""
    known = Splits()
    left_out = 0
    for _, run in groupby(stream, key=lambda window: window.passage):
        held = list(run)
        texts = [window.cut(at, at + length).text for window in held for at in range(0, len(window.ids), length)]
        found = known.of(held[0].document, texts)
        for window in held:
            sizes = np.diff(np.r_[0 : len(window.ids) : length, len(window.ids)])
            splits, found = found[: len(sizes)], found[len(sizes) :]
            kept = splits < len(SPLITS)
            left_out += int((~kept).sum())
            yield replace(
                window,
                splits=splits,
                n_kept=int(sizes[kept].sum()),
                n_documents=known.n_documents,
                n_left_out=left_out,
            )


def _marks(tokenizer: Any) -> NDArray[np.int64]:
    """The ids that stand between documents or fill rows up: the tokenizer's own, and any family's that it knows."""
    own = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id} - {None}
    named = {at for token, at in tokenizer.get_added_vocab().items() if is_mark(token)}
    return np.array(sorted(own | named), dtype=np.int64)


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


@torch.no_grad()
def activations(
    model: LanguageModel,
    hooks: Sequence[HookPoint],
    batch: Sequence[Window],
    rows: int | None = None,
    told: Callable[[int], None] = lambda tokens: None,
    *,
    first: int | None,
) -> list[Tensor]:
    """What passes each hook point on every token of the windows, one after the other: [tokens, width] of every hook.

    In the model's dtype, on its device. Every window starts with the token ``first``, where there is one, whose own activations
    are dropped: attention parks itself there, and their norm is a hundred times everyone else's. Windows of like length share a
    forward pass, as many as have the tokens of ``rows`` usual windows together; ``told`` hears how many tokens are done.
    """
    lengths = np.array([len(window.ids) for window in batch])
    ends = lengths.cumsum()
    room = (rows or ROWS[model.device.type]) * (WINDOW + 1)
    found: list[Tensor] = []
    done = 0
    for group in _groups(lengths, room):
        # Padding stands on the right, where a causal model cannot see it: no mask is needed.
        begin = int(first is not None)
        ids = torch.full((len(group), lengths[group[0]] + begin), first or 0, dtype=torch.long)
        for row, i in enumerate(group):
            ids[row, begin : lengths[i] + begin] = torch.from_numpy(batch[i].ids)
        column = torch.arange(ids.shape[1]) - begin
        kept = ((column >= 0) & (column < torch.from_numpy(lengths[group])[:, None])).to(model.device)
        place = torch.from_numpy(np.concatenate([np.arange(ends[i] - lengths[i], ends[i]) for i in group]))
        values = model.activations(ids, hooks)
        found = found or [value.new_empty(int(ends[-1]), value.shape[-1]) for value in values]
        for whole, value in zip(found, values, strict=True):
            whole[place.to(model.device)] = value[kept]
        done += len(place)
        told(done)
    return found


def _groups(lengths: NDArray[np.int64], room: int) -> Iterator[list[int]]:
    """The windows in groups of like length, longest first, each with at most ``room`` tokens, padding included."""
    group: list[int] = []
    for i in np.argsort(-lengths, kind="stable").tolist():
        if group and (len(group) + 1) * (int(lengths[group[0]]) + 1) > room:
            yield group
            group = []
        group.append(i)
    if group:
        yield group
