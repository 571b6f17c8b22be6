"""``python -m eval.bench copies``: a corpus in which documents repeat one another, and what that leaks into scores."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from eval.bench.parts import in_process
from eval.bench.resident import Memory
from eval.results import load, save
from labeler.cli.display import out
from labeler.evidence.copies import LEFT_OUT, REACH, Splits, hashed
from labeler.evidence.corpora.sample import sample_corpus
from labeler.evidence.sampling import split_of

NAME = "copies"

WORDS = 24
"""Of a context: some 32 tokens."""

_RULER = re.compile(r"([\x00-/:-`{-\x7f])\1+")

LOOKED_AT = 8
"""One in so many stretches is looked at, the same ones in all texts: of a passage that leaks, several are."""


def main(
    documents: Annotated[int, typer.Option(help="Documents in the corpus.")] = 200_000,
    keep: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Contexts of one split that stand in another by at least half, by name alone and by text; time, and memory."""
    figures = in_process(NAME, str(documents))
    out.print(_table(figures))
    if keep:
        save(NAME, {"figures": figures})


def corpus(documents: int, seed: int = 0) -> Iterator[list[str]]:
    """Documents of 40 to 200 words, drawn as prose has them: three in ten are another's copy, one holds a piece of one."""
    chance = random.Random(seed)
    known = [word for passage in islice(sample_corpus(), 2_000) for word in passage.text.split()]
    before: list[list[str]] = []
    for number in range(documents):
        text = chance.choices(known, k=chance.randrange(40, 200))
        draw = chance.random()
        if before and draw < 0.3:
            text = chance.choice(before)
        elif before and draw < 0.4:
            other = chance.choice(before)
            start = chance.randrange(len(other) - 30)
            text = [*text[:30], *other[start : start + 30], *text[30:]]
        if number % 4 == 0:
            before.append(text)
        yield text


def measure(documents: int) -> dict[str, Any]:
    """The figures of one corpus."""
    sampler = Memory()
    before = sampler.now()
    sampler.take()
    splits, seconds, n_contexts = Splits(), 0.0, 0
    by_text, by_name = Leaks(), Leaks()
    found: list[NDArray[np.uint8]] = []
    for number, words in enumerate(corpus(documents)):
        texts = contexts_of(words)
        started = time.process_time()
        found.append(splits.of(f"document {number}", texts))
        seconds += time.process_time() - started
        n_contexts += len(texts)
    growth = sampler.take() - before
    for number, (words, of_text) in enumerate(zip(corpus(documents), found, strict=True)):
        texts = contexts_of(words)
        kept = of_text != LEFT_OUT
        by_text.add([text for text, inside in zip(texts, kept, strict=True) if inside], of_text[kept])
        by_name.add(texts, np.full(len(texts), split_of(f"document {number}"), dtype=np.uint8))
    left_out = sum(int((of_text == LEFT_OUT).sum()) for of_text in found)
    return {
        "documents": documents,
        "contexts": n_contexts,
        "left_out": left_out,
        "leaks_by_name": by_name.count(),
        "leaks": by_text.count(),
        "seconds": round(seconds, 1),
        "microseconds_a_context": round(1e6 * seconds / n_contexts, 1),
        "growth_mb": round(growth),
    }


def contexts_of(words: list[str]) -> list[str]:
    """A document in contexts."""
    return [" ".join(words[at : at + WORDS]) for at in range(0, len(words), WORDS)]


class Leaks:
    """Counts contexts that share ``REACH`` letters with one of another split, or are the same text."""

    def __init__(self) -> None:
        self._hashes: list[NDArray[np.uint64]] = []
        self._splits: list[NDArray[np.uint8]] = []
        self._contexts: list[NDArray[np.int32]] = []
        self._n = 0

    def add(self, texts: list[str], splits: NDArray[np.uint8]) -> None:
        """Look at some contexts, each with its split."""
        for text, split in zip(texts, splits.tolist(), strict=True):
            whole = _RULER.sub(r"\1", "".join(text.lower().split())).encode()
            letters = np.frombuffer(whole, dtype=np.uint8).astype(np.uint64)
            hashes = np.frombuffer(hashlib.blake2b(whole, digest_size=8).digest(), dtype=np.uint64)
            if len(letters) >= REACH:
                hashes = np.r_[hashes, hashed(letters, REACH)]
            looked_at = np.r_[True, (hashes[1:] >> np.uint64(20)) % np.uint64(LOOKED_AT) == 0]
            self._hashes.append(hashes[looked_at])
            self._splits.append(np.full(looked_at.sum(), split, dtype=np.uint8))
            self._contexts.append(np.full(looked_at.sum(), self._n, dtype=np.int32))
            self._n += 1

    def count(self) -> int:
        """How many."""
        hashes, splits, contexts = (np.concatenate(x) for x in (self._hashes, self._splits, self._contexts))
        order = np.argsort(hashes)
        hashes, splits, contexts = hashes[order], splits[order], contexts[order]
        starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]])
        several = np.minimum.reduceat(splits, starts) != np.maximum.reduceat(splits, starts)
        return len(np.unique(contexts[np.repeat(several, np.diff(starts, append=len(hashes)))]))


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What, the figure, the goal."""
    collecting = load("evidence")["figures"]["speed"]["collection"]  # tokens per second
    share = figures["microseconds_a_context"] / 1e6 * collecting / 32
    return [
        ("contexts that another split has by half or more, by names alone", f"{figures['leaks_by_name']:,}", ""),
        ("the same, as splits are made", f"{figures['leaks']:,}", "0"),
        ("contexts left out", f"{figures['left_out'] / figures['contexts']:.1%}", ""),
        (
            "processor time, and its share of a collection's on the sample model",
            f"{figures['seconds']:.0f} s, {share:.1%}",
            "≤ 1 %",
        ),
        ("memory", f"{figures['growth_mb']:,} MB", "≤ 1,100 MB for any corpus"),
    ]


def _table(figures: dict[str, Any]) -> Table:
    made = Table(box=box.SIMPLE_HEAD)
    for column in (f"{figures['documents']:,} documents, {figures['contexts']:,} contexts", "measured", "goal"):
        made.add_column(column)
    for row in rows(figures):
        made.add_row(*row)
    return made


def readme_table() -> str:
    """The saved figures as the README shows them."""
    saved = load(NAME)
    figures = saved["figures"]
    lines = [
        f"| {figures['documents']:,} documents, {figures['contexts']:,} contexts | measured | goal |",
        "|---|---|---|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in rows(figures)]
    return "\n".join([*lines, "", f"Taken on {saved['machine']}."])
