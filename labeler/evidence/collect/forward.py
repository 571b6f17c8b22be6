"""The forward pass over a corpus: windows of text through the model, and what is active in each context of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.collect.compaction import Building
from labeler.evidence.copies import Splits
from labeler.evidence.corpora.registry import Passage, read_corpus
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.dictionaries.base import WINDOW
from labeler.evidence.importers.tokens import is_mark
from labeler.evidence.neighbours import Pairs
from labeler.evidence.sampling import split_of
from labeler.evidence.store.contexts import Contexts
from labeler.features import SPLITS
from labeler.models.hooks import HookPoint
from labeler.models.language import LanguageModel
from labeler.progress import Progress

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
    wanted: NDArray[np.bool_] | None = None,
) -> list[Tensor]:
    """What passes each hook point on every token of the windows, one after the other: [tokens, width] of every hook.

    In the model's dtype, on its device. Every window starts with the token ``first``, where there is one, whose own activations
    are dropped: attention parks itself there, and their norm is a hundred times everyone else's. Windows of like length share a
    forward pass, as many as have the tokens of ``rows`` usual windows together; ``told`` hears how many tokens are done.
    Where only some windows are ``wanted`` [n_windows], passes without any of them are left out, and what stands in their
    place is undefined; which windows share a pass, and so how it rounds, does not depend on what is wanted.
    """
    lengths = np.array([len(window.ids) for window in batch])
    ends = lengths.cumsum()
    found: list[Tensor] = []
    done = 0
    for group in passes(lengths, model, rows, wanted):
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


def passes(
    lengths: NDArray[np.int64], model: LanguageModel, rows: int | None, wanted: NDArray[np.bool_] | None
) -> list[list[int]]:
    """The windows that share a forward pass, by their places, of each pass in which one is wanted."""
    groups = _groups(lengths, (rows or ROWS[model.device.type]) * (WINDOW + 1))
    return [group for group in groups if wanted is None or wanted[group].any()]


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
    asked for: a batch of another shape rounds otherwise, and what comes in steps is to be what comes at once. Of a piece those
    forward passes are made in which something is wanted.
    Raises InputError where an activation is NaN or infinite.
    """
    on_device = {each.name: each.dictionary.to(model.device) for each in collections}
    behind = [each for each in collections if not each.done(tokens)]
    if not behind:
        return False
    done = min(each.building.seen.n_tokens for each in behind)
    expected = tokens

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
        due = [each for each in behind if _kept(piece[parts[each.name]])]
        if not due:
            continue
        wanted = np.zeros(len(piece), dtype=bool)
        for each in due:
            wanted[parts[each.name]] = True
        lengths = np.array([len(window.ids) for window in piece])
        run = int(sum(lengths[group].sum() for group in passes(lengths, model, None, wanted)))
        if tokens is not None:
            lacking = (tokens - each.building.seen.n_tokens - _kept(piece[parts[each.name]]) for each in due)
            expected = done + run + max(0, *lacking)
        begins = {each.name: first_id(each.dictionary, model) for each in due}
        for begin in dict.fromkeys(begins.values()):
            alike = [each for each in due if begins[each.name] == begin]
            hooks = list(dict.fromkeys(each.hook for each in alike))
            hidden = dict(
                zip(hooks, activations(model, hooks, piece, told=read, first=begin, wanted=wanted), strict=True)
            )
            for each in alike:
                part = parts[each.name]
                new = piece[part]
                contexts, kept = cut(new, each.building.seen.n_contexts, LENGTH)
                here = hidden[each.hook][ends[part.start] : ends[part.start + len(new)]][torch.from_numpy(kept)]
                found = activity(contexts, here, on_device[each.name])
                each.building.add(contexts, found, new[-1].place, new[-1].n_documents, new[-1].n_left_out)
        done += run
        behind = [each for each in behind if not each.done(tokens)]
        if not behind:
            break
    if last is not None:
        for each in behind:  # the corpus is at its end, where copies may stand behind the last context
            each.building.seen = replace(each.building.seen, n_documents=last.n_documents, n_left_out=last.n_left_out)
    progress("reading the corpus", done, done, "tokens")
    return bool(behind)


def _kept(piece: Sequence[Window]) -> int:
    return sum(window.n_kept for window in piece)


def first_id(dictionary: Dictionary, model: LanguageModel) -> int | None:
    """The token that windows start with for a dictionary; None where it was trained without one."""
    return model.first_id(dictionary.first_token) if dictionary.bos else None
