"""Contexts as a simulator may see them, of any tokens, without the rest of a store."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from labeler.evidence.store.contexts import Contexts, Rows
from labeler.evidence.store.lexicon import Lexicon, by_stem, words_on
from labeler.evidence.store.store import Material
from labeler.features import IntArray, Split

LENGTH = 12


def table_of(contexts: Sequence[Sequence[str]], first: int = 0) -> Contexts:
    """Contexts as a table; each is a document of its own."""
    return Contexts.of(
        first=first,
        tokens=[range(len(tokens)) for tokens in contexts],
        ends=[np.cumsum([len(token) for token in tokens], dtype=np.int64) for tokens in contexts],
        texts=["".join(tokens) for tokens in contexts],
        documents=[f"document {first + at}" for at in range(len(contexts))],
        length=LENGTH,
    )


class SmallStore:
    """What stands in for a store: its rows, its pool, and the index of its words; in two tables."""

    def __init__(self, contexts: Sequence[Sequence[str]], pooled: Sequence[bool]) -> None:
        half = len(contexts) // 2
        tables = [table_of(contexts[:half]), table_of(contexts[half:], half)]
        pool = (pooled[:half], pooled[half:])
        files: list[Any] = [{**t.arrays(), "pool": np.array(p, dtype=bool)} for t, p in zip(tables, pool, strict=True)]
        known: dict[bytes, int] = {}
        places: list[Any] = [words_on(table, known) for table in tables]
        words: Any = by_stem(list(known))
        sizes = [len(table) for table in tables]
        self.rows = Rows(files.__getitem__, sizes)
        self.lexicon = Lexicon(lambda: words, places.__getitem__, sizes)
        self.manifest = SimpleNamespace(length=LENGTH)

    def pool(self, split: Split) -> IntArray:
        """As a store's."""
        return self.rows.pool[split]

    def material(self, rows: IntArray) -> Material:
        """As a store's."""
        store: Any = self
        return Material(store, rows)


def small_material(contexts: Sequence[Sequence[str]], pooled: Sequence[bool] | None = None) -> Material:
    """All of some contexts, of which some or all are in the pool."""
    store = SmallStore(contexts, [True] * len(contexts) if pooled is None else pooled)
    return store.material(np.arange(len(contexts)))
