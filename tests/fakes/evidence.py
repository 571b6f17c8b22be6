"""A store of evidence made of sentences and rules, without any model: feature i fires where rule i says."""

from __future__ import annotations

import atexit
import functools
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from labeler.evidence.collect.compaction import Building
from labeler.evidence.collect.publish import write_features, write_store
from labeler.evidence.neighbours import Pairs, cofiring
from labeler.evidence.store.contexts import Contexts, Rows
from labeler.evidence.store.manifest import no_tokens
from labeler.evidence.store.states import Packed
from labeler.evidence.store.storage import Tensors, write_tensors
from labeler.evidence.store.store import EvidenceStore

LENGTH = 8
WORDS = tuple(
    " ".join(
        (
            "the king gave every river north of the old town to his sister in march and june while seven ships carried",
            "corn and wool past the castle because nobody would pay a penny for salt",
        )
    ).split()
)

Rule = Callable[[Sequence[str]], list[float]]
"""Words of a context -> activation on each."""


def on(*wanted: str, strength: float = 4.0) -> Rule:
    """Fires on some words, a little more the later they stand."""
    return lambda words: [strength + 0.25 * at if word in wanted else 0.0 for at, word in enumerate(words)]


def never(words: Sequence[str]) -> list[float]:
    """A dead feature."""
    return [0.0] * len(words)


RULES: tuple[Rule, ...] = (on("march", "june"), on("the"), on("river", "ships", strength=1.0), on("penny"), never)
MEANINGS = ("months: march, june", "the word the", "river and ships", "penny", "")


def sentences(n: int, seed: int = 0) -> list[list[str]]:
    """Contexts of 3 to LENGTH words."""
    rng = random.Random(seed)
    return [rng.choices(WORDS, k=rng.randint(3, LENGTH)) for _ in range(n)]


def pieces_of(
    contexts: Sequence[Sequence[str]], rules: Sequence[Rule] = RULES, per_piece: int = 100, first: int = 0
) -> Iterator[tuple[Contexts, Pairs]]:
    """Contexts as pieces of a collection; ten contexts make a document."""
    vocabulary = {word: at for at, word in enumerate(dict.fromkeys(WORDS))}
    for start in range(first, len(contexts), per_piece):
        part = contexts[start : start + per_piece]
        active = [
            (feature, start + row, position, value)
            for row, words in enumerate(part)
            for feature, rule in enumerate(rules)
            for position, value in enumerate(rule(words))
            if value > 0
        ]
        columns = list(zip(*active, strict=True)) if active else [(), (), (), ()]
        table = Contexts.of(
            first=start,
            tokens=[[vocabulary[w] for w in words] for words in part],
            ends=[np.cumsum([len(w) + 1 for w in words]) for words in part],
            texts=["".join(f" {word}" for word in words) for words in part],
            documents=[f"document-{(start + row) // 10}" for row in range(len(part))],
            length=LENGTH,
        )
        yield (
            table,
            Pairs.of_active(
                np.array(columns[0], dtype=np.int32),
                np.array(columns[1], dtype=np.int64),
                np.array(columns[2], dtype=np.uint8),
                np.array(columns[3], dtype=np.float16),
            ),
        )


def make_store(home: Path, name: str = "toy", n: int = 1500, rules: Sequence[Rule] = RULES) -> EvidenceStore:
    """Evidence under a home, as a collection would leave it; the encoder's states are noise."""
    folder = home / "dictionaries" / name
    shutil.rmtree(folder, ignore_errors=True)
    return EvidenceStore(shutil.copytree(_made(name, n, tuple(rules)), folder))


@functools.cache
def _made(name: str, n: int, rules: tuple[Rule, ...]) -> Path:
    """The folder of a store that is made once in a process, to be copied."""
    home = Path(tempfile.mkdtemp(prefix="labeler-store-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    building = Building(home / "parts", len(rules))
    for contexts, pairs in pieces_of(sentences(n), rules):
        building.add(contexts, pairs)
    write_built(building, home / name)
    return home / name


def write_built(building: Building, folder: Path) -> EvidenceStore:
    """The store of what was built, with states of noise for its pool."""
    merged = building.merge()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for table in merged.tables():
        shutil.copy(table, folder)
    n = building.n_features
    shards, summary = write_features(folder, merged, building.seen, no_tokens(n), n)
    tables = [Tensors(path) for path in merged.tables()]
    rows = Rows(lambda number: tables[number], [len(table["lengths"]) for table in tables])
    lengths = rows.column("lengths", np.flatnonzero(rows.pool_place >= 0))
    states = np.random.default_rng(0).normal(size=(len(lengths), LENGTH, 384))
    states[np.arange(LENGTH) >= lengths[:, None]] = 0
    write_tensors(folder / "states-00000.safetensors", Packed.of(states).arrays())
    write_store(
        folder,
        shards=shards,
        summary=summary,
        neighbours=cofiring([Tensors(folder / shard.file) for shard in shards], rows, n),
        # A token is a word with the space before it, as most vocabularies have it.
        vocabulary=[f" {word}" for word in dict.fromkeys(WORDS)],
        length=LENGTH,
        n_tokens=building.seen.n_tokens,
        n_contexts=building.seen.n_contexts,
        sampling="population",
        name=folder.name,
        model="toy",
        hook="blocks.0.hook_resid_post",
        dictionary="toy",
        source="collected",
        corpus="toy",
        corpus_fingerprint="toy",
        progress={"seen": asdict(building.seen)},
    )
    return EvidenceStore(folder)
