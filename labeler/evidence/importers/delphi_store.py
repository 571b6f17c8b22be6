"""A Delphi cache -> a store: it holds every activation on its whole corpus, so its scores speak for that."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from glob import escape
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError, MissingExtraError
from labeler.evidence.collect.compaction import merge
from labeler.evidence.collect.publish import finish
from labeler.evidence.collect.segments import Seen, Tally
from labeler.evidence.copies import LEFT_OUT, Splits
from labeler.evidence.importers.delphi import DelphiCache, DelphiShard
from labeler.evidence.importers.registry import CACHE
from labeler.evidence.importers.tokens import Spelling, is_mark
from labeler.evidence.neighbours import Pairs
from labeler.evidence.store.contexts import Contexts
from labeler.evidence.store.manifest import no_tokens
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS
from labeler.models.names import resolve, torch_available
from labeler.progress import Progress, silent

LENGTH = 32
"""Tokens in a context: Delphi's own windows, by default."""

ROWS = 512
"""Sequences in a table of contexts."""

MARKED = 8
"""Marks between documents count where there is at least one in so many sequences."""


class CachePart:
    """A cache as a part to merge: its sequences cut into contexts, its shards by range of features.

    Contexts are Delphi's windows, cut besides where one document ends and another begins; the mark between them belongs
    to none. Where the sequences have such marks, a document goes on over their ends until the next one; where they have
    none (Delphi filters them by default), a sequence is all that can be told apart. What copies another split's text is
    left out, as where evidence is collected.
    """

    def __init__(self, cache: DelphiCache, vocabulary: list[str], marks: NDArray[np.bool_]) -> None:
        """``marks`` [n_vocabulary] says which ids stand between documents."""
        self._cache = cache
        self.vocabulary = vocabulary
        # Ranges come in rising order, so that a shard is read once, or a few times where it is wide.
        self._shard = functools.lru_cache(maxsize=1)(cache.shard)
        length = cache.sequence_length
        kept = np.concatenate([~marks[ids.ravel()] for ids in self._blocks()])
        if not kept.any():
            raise InputError(f"{cache.folder}: no text, only marks between documents; there is nothing to label")
        separate = (~kept).sum() * MARKED < cache.n_sequences
        documents = np.arange(len(kept)) // length if separate else np.cumsum(~kept)
        self._cut(kept, documents)
        splits = self._placed()
        if (splits == LEFT_OUT).any():
            self._cut(kept & (splits[np.maximum(self._ordinal, 0)] != LEFT_OUT), documents)
        self._split = splits[splits != LEFT_OUT]

    def _cut(self, kept: NDArray[np.bool_], documents: NDArray[np.int64]) -> None:
        """Make contexts of the tokens that are ``kept``: [tokens], and which document each belongs to."""
        first = np.arange(len(kept)) % self._cache.sequence_length % LENGTH == 0
        begins = kept & (first | ~np.r_[True, kept[:-1]])
        starts = np.flatnonzero(begins)
        self._kept = kept
        self._ordinal = (np.cumsum(begins) - 1).astype(np.int32)
        """[tokens] which context each belongs to."""
        self._offset = (np.arange(len(kept)) - starts[np.maximum(self._ordinal, 0)]).astype(np.uint8)
        """[tokens] its place there."""
        self._document = documents[starts]
        """[contexts]"""

    def _placed(self) -> NDArray[np.uint8]:
        """The splits of all contexts, by what their texts share: [n_contexts]."""
        splits, found = Splits(), []
        every = (pair for table in self._tables() for pair in zip(table.names(), table.texts(), strict=True))
        for document, run in groupby(every, key=lambda pair: pair[0]):
            found.append(splits.of(document, [text for _, text in run]))
        return np.concatenate(found)

    def _blocks(self) -> Iterator[NDArray[np.int64]]:
        for start in range(0, self._cache.n_sequences, ROWS):
            ids = self._cache.tokens(start, start + ROWS)
            if ids.max(initial=0) >= len(self.vocabulary):
                raise InputError(
                    f"{self._cache.folder}: token id {ids.max()} is beyond the tokenizer's {len(self.vocabulary):,} tokens; "
                    "name the model that the cache was made with (--model)"
                )
            yield ids

    @property
    def n_contexts(self) -> int:
        """How many contexts there are."""
        return len(self._document)

    @property
    def seen(self) -> Seen:
        """All of the corpus: what its counts speak for."""
        splits = np.bincount(self._split, minlength=len(SPLITS)).tolist()
        return Seen(n_contexts=self.n_contexts, n_tokens=int(self._kept.sum()), splits=tuple(splits))

    def weight(self) -> int:
        """See the protocol."""
        return sum(self._cache.n_active(number) for number in range(len(self._cache.ranges)))

    def contexts(self) -> Iterator[Contexts]:
        """See the protocol."""
        first = 0
        for table in self._tables():
            yield replace(table, split=self._split[first : first + len(table)])
            first += len(table)

    def _tables(self) -> Iterator[Contexts]:
        """All contexts, in the splits of their documents' names."""
        at = first = 0
        for block in self._blocks():
            kept = self._kept[at : at + block.size]
            of_context = self._ordinal[at : at + block.size][kept] - first
            n = int(of_context[-1]) + 1 if len(of_context) else 0
            pieces = np.split(block.ravel()[kept], np.searchsorted(of_context, np.arange(1, n))) if n else []
            strings = [[self.vocabulary[i] for i in piece.tolist()] for piece in pieces]
            if n:
                yield Contexts.of(
                    first=first,
                    tokens=pieces,
                    ends=[np.cumsum([len(token) for token in tokens]) for tokens in strings],
                    texts=["".join(tokens) for tokens in strings],
                    documents=[f"document {number}" for number in self._document[first : first + n].tolist()],
                    length=LENGTH,
                )
            at, first = at + block.size, first + n

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """See the protocol."""
        found = [
            self._pairs(self._shard(n), low, high)
            for n, (a, b) in enumerate(self._cache.ranges)
            if a < high and low <= b
        ]
        pairs = Pairs.merge(found or [self._pairs(_NOTHING, low, high)])
        return pairs, Tally.of(pairs, self._split[pairs.ordinal])

    def _pairs(self, shard: DelphiShard, low: int, high: int) -> Pairs:
        place = shard.row * self._cache.sequence_length + shard.position
        here = (low <= shard.feature) & (shard.feature < high) & self._kept[place]
        place = place[here]
        # What is too weak for half precision stays the smallest number there is, what is too strong the largest.
        value = np.clip(shard.value[here].astype(np.float32), 6e-8, 65504).astype(np.float16)
        return Pairs.of_active(shard.feature[here], self._ordinal[place].astype(np.int64), self._offset[place], value)


_NOTHING = DelphiShard(
    feature=np.zeros(0, np.int32),
    row=np.zeros(0, np.int64),
    position=np.zeros(0, np.int32),
    value=np.zeros(0, np.float16),
)


def import_cache(
    cache: DelphiCache, target: Path, source: str, fingerprint: str, model: str | None, progress: Progress = silent
) -> EvidenceStore:
    """Keep a cache as the store ``target``; one that was imported before is only opened.

    ``model`` names the language model whose tokenizer spells the ids, where config.json does not. Raises InputError where
    the tokenizer cannot be had or does not fit, the cache is damaged, or the name stands for something else.
    """
    if target.exists():
        old = EvidenceStore(target)
        same_model = old.manifest.model == (model or cache.model)
        if old.manifest.corpus_fingerprint != fingerprint or not same_model:
            raise InputError(f"'{target.name}' exists and is something else; choose another `name`")
        return old
    name = model or cache.model
    part = CachePart(cache, *vocabulary(name, str(cache.folder)))
    work = target.with_name(f".importing-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    # Hours of a slow machine: kept until there is a store, for an import that is stopped and begun again.
    states = target.with_name(f".encoding-{target.name}-{sha256(f'{fingerprint} {name}'.encode()).hexdigest()[:16]}")
    try:
        merged = merge([part], work / "merged", cache.n_features, part.n_contexts)
        store = finish(
            merged,
            part.seen,
            work,
            target,
            n_features=cache.n_features,
            columns=no_tokens(cache.n_features),
            vocabulary=part.vocabulary,
            length=LENGTH,
            states=states,
            origin={
                "name": target.name,
                "model": name,
                "hook": cache.hook,
                "dictionary": source,
                "source": CACHE,
                "corpus": source,
                "corpus_fingerprint": fingerprint,
                "progress": {"imported": [fingerprint]},
            },
            progress=progress,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for left in target.parent.glob(f".encoding-{escape(target.name)}-*"):
        shutil.rmtree(left, ignore_errors=True)
    return store


def vocabulary(model: str, where: str) -> tuple[list[str], NDArray[np.bool_]]:
    """Every token of a model's vocabulary as it is read, and which stand between documents.

    Raises InputError where its tokenizer cannot be had.
    """
    if not model:
        raise InputError(f"{where}: nothing says which model's tokens these are; name it with `model`")
    if not torch_available():
        raise MissingExtraError("reading the token ids of a Delphi cache", "local")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve(model))
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"cannot load the tokenizer of '{model}': {reason}; name another with `model`") from error
    tokens = [token or "" for token in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
    spelling = Spelling([(token,) for token in tokens])
    own = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token}
    between = np.array([token in own or is_mark(token) for token in tokens])
    return [spelling.clean((token,))[0] for token in tokens], between
