"""A corpus as crawls have it: pages again and again, pieces of other pages, and a footer that everybody has."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from labeler.evidence.copies import REACH

WORDS = [
    a + b for a in "ba ke lo mi nu pra ste vor wil zan cho dri fle gu hap".split() for b in "n rt x sel mo".split()
]
FOOTER = " sign up for our free letter and never miss what we write about the things that move you most"


def crawl(
    n: int, copies: float = 0.3, overlaps: float = 0.1, footers: float = 0.0, words: int = 120, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """n documents with their names: shares of them are another's copy, hold a piece of another, end with the footer."""
    chance = random.Random(seed)
    before: list[str] = []
    for number in range(n):
        text = " ".join(chance.choices(WORDS, k=chance.randrange(words // 2, words * 2)))
        draw = chance.random()
        if before and draw < copies:
            text = chance.choice(before)
        elif before and draw < copies + overlaps:
            other = chance.choice(before).split()
            start = chance.randrange(max(1, len(other) - 40))
            text = " ".join([*text.split()[:60], *other[start : start + 40], *text.split()[60:]])
        if chance.random() < footers:
            text += FOOTER
        if len(before) < 5_000:
            before.append(text)
        yield f"page {number}", text


def contexts_of(text: str, words: int = 20) -> list[str]:
    """A text in pieces of some words each, which joined give it."""
    parts = text.split(" ")
    pieces = [" ".join(parts[at : at + words]) for at in range(0, len(parts), words)]
    return [pieces[0], *(f" {piece}" for piece in pieces[1:])]


def leaks(contexts: Sequence[str], splits: Sequence[int], reach: int = REACH) -> int:
    """Contexts that are the same text as one of another split, or share ``reach`` letters in a row with it."""
    letters = ["".join(text.lower().split()) for text in contexts]
    seen: dict[str, set[int]] = {}
    pieces = [
        {one, *(one[at : at + reach] for at in range(len(one) - reach + 1))} if len(one) >= reach else {one}
        for one in letters
    ]
    for of_context, split in zip(pieces, splits, strict=True):
        for piece in of_context:
            seen.setdefault(piece, set()).add(int(split))
    return int(np.sum([any(len(seen[piece]) > 1 for piece in of_context) for of_context in pieces]))
