"""A label whose truth is known: where in a text what it says is so, and how strongly."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeler.features import FloatArray


@dataclass(frozen=True)
class Where:
    """Places in a text: the group ``at`` of every match, or the whole match, with one strength."""

    pattern: str
    strength: float = 1.0
    flags: int = re.MULTILINE
    again: bool = False
    """Only where the same words matched before."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of every place, in characters."""
        compiled = re.compile(self.pattern, self.flags)
        group = "at" if "at" in compiled.groupindex else 0
        found = list(compiled.finditer(text))
        if self.again:
            earlier: set[str] = set()
            found = [match for match in found if _again(match[group], earlier)]
        return [match.span(group) for match in found]


def _again(word: str, earlier: set[str]) -> bool:
    seen = word in earlier
    earlier.add(word)
    return seen


@dataclass(frozen=True)
class Meaning:
    """A label, and the activations of a feature that it describes without remainder."""

    label: str
    places: tuple[Where, ...]

    def on(self, text: str, ends: NDArray[np.integer], length: int) -> FloatArray:
        """The activation on every token of a text, which end at ``ends`` [n]: [length]; the strongest where several are."""
        found = np.zeros(length, dtype=np.float32)
        starts = np.concatenate([[0], ends[:-1]])
        for place in self.places:
            for begin, end in place.spans(text):
                hit = np.flatnonzero((starts < end) & (begin < ends))
                found[hit] = np.maximum(found[hit], place.strength)
        return found


def words(listed: str, strength: float = 1.0) -> Where:
    """Whole words out of a list, in any case."""
    return Where(rf"(?<![^\W_])(?:{'|'.join(listed.split())})(?![^\W_])", strength, re.IGNORECASE)


def marks(pattern: str, strength: float = 1.0) -> Where:
    """A pattern in which ``^`` and ``$`` are ends of lines; the group ``at`` is what fires, where there is one."""
    return Where(pattern, strength)


def means(label: str, *places: Where) -> Meaning:
    """A meaning from its label and the places."""
    return Meaning(label, tuple(places))


def repeated(pattern: str) -> Where:
    """What a pattern finds from the second time on."""
    return Where(pattern, again=True)
