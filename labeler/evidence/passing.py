"""One pass of a model over a corpus, for several dictionaries at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from labeler.evidence.activity import activity, cut
from labeler.evidence.building import Building
from labeler.evidence.corpus import read_corpus
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.dictionaries.base import WINDOW
from labeler.evidence.windows import activations, batches, placed, windows
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


def read_through(
    collections: Sequence[Collection], model: LanguageModel, corpus: str, tokens: int | None, progress: Progress
) -> bool:
    """Run the model over the corpus, or over what earlier calls left of it; whether its end was reached.

    All dictionaries of a pass see the same pieces of text, in windows of the same size; one that is ahead of the others
    waits. Raises InputError where an activation is NaN or infinite.
    """
    on_device = {each.name: each.dictionary.to(model.device) for each in collections}
    behind = [each for each in collections if not each.done(tokens)]
    if not behind:
        return False
    start = min((each.building.seen for each in behind), key=lambda seen: seen.n_contexts)
    first = start.n_contexts
    done = min(each.building.seen.n_tokens for each in collections)

    expected = None if tokens is None else done + -(-(tokens - done) // PIECE_TOKENS) * PIECE_TOKENS  # whole pieces

    def read(more: int) -> None:
        progress("reading the corpus", done + more, expected, "tokens")

    read(0)
    # What was taken in before is read, and tokenised, again: it decides which splits copies of it belong to.
    stream = placed(windows(read_corpus(corpus), model, collections[0].window), LENGTH)
    rest = (each for each in stream if start.after is None or (each.passage, each.start) > start.after)
    for batch in batches(rest, PIECE_TOKENS):
        contexts, kept = cut(batch, first, LENGTH)
        if not len(contexts):
            continue
        due = [each for each in behind if each.building.seen.n_contexts == first]
        first += len(contexts)
        begins = {each.name: first_id(each.dictionary, model) for each in due}
        for begin in dict.fromkeys(begins.values()):
            alike = [each for each in due if begins[each.name] == begin]
            hooks = list(dict.fromkeys(each.hook for each in alike))
            hidden = dict(zip(hooks, activations(model, hooks, batch, told=read, first=begin), strict=True))
            for each in alike:
                found = activity(contexts, hidden[each.hook][torch.from_numpy(kept)], on_device[each.name])
                each.building.add(contexts, found, (batch[-1].passage, batch[-1].start))
        behind = [each for each in behind if not each.done(tokens)]
        done = min(each.building.seen.n_tokens for each in collections)
        if not behind:
            break
    progress("reading the corpus", done, done, "tokens")
    return bool(behind)


def first_id(dictionary: Dictionary, model: LanguageModel) -> int | None:
    """The token that windows start with for a dictionary; None where it was trained without one."""
    return model.first_id(dictionary.first_token) if dictionary.bos else None
