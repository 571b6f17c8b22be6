"""A store of evidence made of sentences and rules, without any model: feature i fires where rule i says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labeler.evidence.gather import Gathering, keep
from labeler.evidence.shards import Shard
from labeler.evidence.store import EvidenceStore
from labeler.evidence.writing import write_store

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


def shards_of(contexts: Sequence[Sequence[str]], rules: Sequence[Rule] = RULES, per_shard: int = 100) -> list[Shard]:
    """Contexts as pieces of a collection; ten contexts make a document."""
    vocabulary = {word: at for at, word in enumerate(dict.fromkeys(WORDS))}
    made = []
    for first in range(0, len(contexts), per_shard):
        part = contexts[first : first + per_shard]
        active = [
            (feature, row, position, value)
            for row, words in enumerate(part)
            for feature, rule in enumerate(rules)
            for position, value in enumerate(rule(words))
            if value > 0
        ]
        active.sort()
        columns = list(zip(*active, strict=True)) if active else [(), (), (), ()]
        names = [f"document-{(first + row) // 10}" for row in range(len(part))]
        documents = list(dict.fromkeys(names))
        made.append(
            Shard(
                tokens=np.array(
                    [[vocabulary[w] for w in words] + [-1] * (LENGTH - len(words)) for words in part], dtype=np.int32
                ),
                lengths=np.array([len(words) for words in part], dtype=np.uint8),
                texts=["".join(f" {word}" for word in words) for words in part],
                ends=np.array(
                    [np.pad(np.cumsum([len(w) + 1 for w in words]), (0, LENGTH - len(words))) for words in part],
                    dtype=np.uint16,
                ),
                documents=documents,
                document=np.array([documents.index(name) for name in names], dtype=np.int32),
                feature=np.array(columns[0], dtype=np.int32),
                context=np.array(columns[1], dtype=np.int32),
                position=np.array(columns[2], dtype=np.uint8),
                value=np.array(columns[3], dtype=np.float16),
            )
        )
    return made


def make_store(home: Path, name: str = "toy", n: int = 1500, rules: Sequence[Rule] = RULES) -> EvidenceStore:
    """Evidence under a home, as a collection would leave it; the encoder's states are noise."""
    shards = shards_of(sentences(n), rules)
    gathering = Gathering(len(rules))
    for number, shard in enumerate(shards):
        gathering.add(number, shard)
    kept = keep(gathering, lambda: enumerate(shards))
    folder = home / "dictionaries" / name
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(len(kept.arrays["contexts.lengths"]), LENGTH, 384)).astype(np.float16)
    tokens = np.zeros((len(rules), 3), dtype=np.int32)
    arrays = {
        **kept.arrays,
        "contexts.states": states,
        "features.promoted": tokens,
        "features.promoted_logits": tokens.astype(np.float32),
        "features.suppressed": tokens,
        "features.suppressed_logits": tokens.astype(np.float32),
        "features.near": np.full((len(rules), 8), -1, dtype=np.int32),
    }
    write_store(
        folder,
        arrays,
        texts=kept.texts,
        # A token is a word with the space before it, as most vocabularies have it.
        vocabulary=[f" {word}" for word in dict.fromkeys(WORDS)],
        documents=kept.documents,
        n_tokens=gathering.n_tokens,
        n_contexts=gathering.n_contexts,
        name=name,
        model="toy",
        hook="blocks.0.hook_resid_post",
        dictionary="toy",
        corpus="toy",
        corpus_fingerprint="toy",
    )
    return EvidenceStore(folder)
