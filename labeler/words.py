"""Words of a text whose tokens are pieces of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[^\w\s]|_")
"""A word, or a single mark."""

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
        for match in WORD.finditer(text)
    ]


def stem(word: str) -> str:
    """A word without case and common English endings, so that inflections meet; short words stay as they are."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    if word.endswith("ies") and len(word) > 5:
        word = word.removesuffix("ies") + "y"
    elif word.endswith(("ches", "shes", "sses", "xes")):
        word = word.removesuffix("es")
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word.removesuffix("s")
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word.removesuffix("e") if len(word) > 3 else word
