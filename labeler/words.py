"""Words of a text whose tokens are pieces of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[^\w\s]|_")

STOPWORDS = frozenset(files("labeler").joinpath("stopwords.txt").read_text(encoding="utf-8").split())
"""Words that say how a label is put rather than what it is about."""


@dataclass(frozen=True)
class Word:
    """A word or a single mark, where it stands, and the tokens that it overlaps."""

    text: str
    start: int
    end: int
    tokens: range

    @property
    def stem(self) -> str:
        """What is compared; see ``stem``."""
        return stem(self.text)


def words(tokens: Sequence[str]) -> list[Word]:
    """The words and marks of a context, in order."""
    text = "".join(tokens)
    owner = [index for index, token in enumerate(tokens) for _ in token]
    return [
        Word(match[0], match.start(), match.end(), range(owner[match.start()], owner[match.end() - 1] + 1))
        for match in _WORD.finditer(text)
    ]


def stem(word: str) -> str:
    """A word without case and common English endings, so that inflections meet; short words stay as they are."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    for ending, least in (("ies", 3), ("sses", 3), ("ing", 3), ("ed", 3), ("es", 4), ("s", 3)):
        if word.endswith(ending) and len(word) - len(ending) >= least and not word.endswith("ss"):
            base = word.removesuffix(ending)
            return base + "y" if ending == "ies" else base.removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word
