"""Documents, and the passages that they are cut into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LONGEST = 100_000
"""Characters in a passage at most: what is longer takes the tokenizer longer than its length says."""


@dataclass(frozen=True)
class Passage:
    """A stretch of text and the document that it came from; splits are made by document."""

    document: str
    text: str


Document = tuple[str, Iterable[str]]
"""A document's name and its text, in parts that follow on one another and are read once."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of corpus on disk."""

    wanted: str
    """What there must be at its path, for people."""
    files: Callable[[Path], list[Path] | None]
    """The files that hold a corpus's text, in order; None for a path of another kind, InputError for one that cannot do."""
    documents: Callable[[Path], Iterator[Document]]
    """The documents of one such file, in order and as they are asked for; InputError naming the file where it is corrupt."""


def passages(documents: Iterable[Document]) -> Iterator[Passage]:
    """Each document as one passage, or as several where it is longer than ``LONGEST``; blank ones are left out."""
    for name, parts in documents:
        yield from (Passage(name, text) for text in cut(parts) if text.strip())


def cut(parts: Iterable[str]) -> Iterator[str]:
    """Text that comes in parts, in pieces of at most ``LONGEST`` characters; they start at white space where they can.

    So a piece starts as a word in the middle of a text does, and the tokenizer gives it the tokens that it would have there.
    """
    held = ""
    for part in parts:
        for start in range(0, len(part), LONGEST):
            held += part[start : start + LONGEST]
            while len(held) > LONGEST:
                space = max(held.rfind(" ", 1, LONGEST + 1), held.rfind("\n", 1, LONGEST + 1))
                end = space if space > 0 else LONGEST
                yield held[:end]
                held = held[end:]
    yield held
