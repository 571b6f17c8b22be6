"""One pass of a model over a corpus, for several dictionaries at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labeler.evidence.activity import activity, cut
from labeler.evidence.building import Building
from labeler.evidence.corpus import read_corpus
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.dictionaries.base import WINDOW
from labeler.evidence.windows import Window, activations, batches, placed, windows
from labeler.models.hooks import HookPoint
from labeler.models.language import LanguageModel
from labeler.progress import Progress

LENGTH = 32
"""Tokens in a context."""

PIECE_TOKENS = 16_384
"""Tokens between two points at which an interrupted collection can go on; about five seconds on a laptop."""


@dataclass(frozen=True, eq=False)
class Collection:
    """One dictionary of a pass, with what there is of its evidence."""

    name: str
    source: str
    """Where the dictionary came from."""
    dictionary: Dictionary
    hook: HookPoint
    settings: dict[str, Any]
    """What makes it the same collection when it is called for again."""
    target: Path
    building: Building

    @property
    def window(self) -> int:
        """Tokens that the model sees at once, beside the first."""
        return self.dictionary.window or WINDOW

    def done(self, tokens: int | None) -> bool:
        """Whether so many tokens have been taken in."""
        return tokens is not None and self.building.seen.n_tokens >= tokens

    def new(self, piece: Sequence[Window], tokens: int | None) -> slice:
        """The windows of a piece that are still to be taken in, up to the one with which so many tokens are."""
        seen = self.building.seen
        begin = 0 if seen.after is None else sum(window.place <= seen.after for window in piece)
        if tokens is None:
            return slice(begin, len(piece))
        held = seen.n_tokens + np.cumsum([window.n_kept for window in piece[begin:]])
        return slice(begin, begin + int(np.searchsorted(held, tokens)) + 1)


def read_through(
    collections: Sequence[Collection], model: LanguageModel, corpus: str, tokens: int | None, progress: Progress
) -> bool:
    """Run the model over the corpus, or over what earlier calls left of it; whether its end was reached.

    A dictionary has enough with the window with which it has so many ``tokens``, those that are left out not counted. All of
    a pass see the same pieces of text, in windows of the same size, and where a piece ends does not depend on what was
    asked for: a batch of another shape rounds otherwise, and what comes in steps is to be what comes at once.
    Raises InputError where an activation is NaN or infinite.
    """
    on_device = {each.name: each.dictionary.to(model.device) for each in collections}
    behind = [each for each in collections if not each.done(tokens)]
    if not behind:
        return False
    begun = min(each.building.seen.n_tokens for each in behind)
    # The last piece is run whole, however little of it is wanted.
    expected = None if tokens is None else begun + -(-(tokens - begun) // PIECE_TOKENS) * PIECE_TOKENS
    done = begun

    def read(more: int) -> None:
        progress("reading the corpus", done + more, expected, "tokens")

    read(0)
    # What was taken in before is read, and tokenised, again: it decides which splits copies of it belong to.
    stream = placed(windows(read_corpus(corpus), model, collections[0].window), LENGTH)
    last: Window | None = None
    for piece in batches(stream, PIECE_TOKENS):
        last = piece[-1]
        ends = np.cumsum([0, *(len(window.ids) for window in piece)])
        parts = {each.name: each.new(piece, tokens) for each in behind}
        due = [each for each in behind if any(window.n_kept for window in piece[parts[each.name]])]
        begins = {each.name: first_id(each.dictionary, model) for each in due}
        for begin in dict.fromkeys(begins.values()):
            alike = [each for each in due if begins[each.name] == begin]
            hooks = list(dict.fromkeys(each.hook for each in alike))
            hidden = dict(zip(hooks, activations(model, hooks, piece, told=read, first=begin), strict=True))
            for each in alike:
                part = parts[each.name]
                new = piece[part]
                contexts, kept = cut(new, each.building.seen.n_contexts, LENGTH)
                here = hidden[each.hook][ends[part.start] : ends[part.start + len(new)]][torch.from_numpy(kept)]
                found = activity(contexts, here, on_device[each.name])
                each.building.add(contexts, found, new[-1].place, new[-1].n_documents, new[-1].n_left_out)
        done += int(ends[-1]) if due else 0
        behind = [each for each in behind if not each.done(tokens)]
        if not behind:
            break
    if last is not None:
        for each in behind:  # the corpus is at its end, where copies may stand behind the last context
            each.building.seen = replace(each.building.seen, n_documents=last.n_documents, n_left_out=last.n_left_out)
    progress("reading the corpus", done, done, "tokens")
    return bool(behind)


def first_id(dictionary: Dictionary, model: LanguageModel) -> int | None:
    """The token that windows start with for a dictionary; None where it was trained without one."""
    return model.first_id(dictionary.first_token) if dictionary.bos else None
