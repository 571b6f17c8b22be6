"""A context as an explainer reads it: on one line, the active words between marks, each with its strength."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from labeler.fence import CLOSE, OPEN, one_line

LINE_TOKENS = 3
MARK_TOKENS = 7
"""What a context's line and a pair of marks with its strength take beside the text, in tokens of common models."""


def weighed(tokens: Sequence[str], strengths: Sequence[int]) -> str:
    """A context with its active tokens between marks, and how active right behind: ``⟦ slaves⟧8``.

    Neighbours share a pair of marks where they are pieces of one word, or as strong as each other; the strongest counts.
    A digit that follows is kept apart by a space. The text is fenced as a whole: a tag can be made of several tokens.
    """
    text = one_line("".join(tokens))
    ends = list(itertools.accumulate(map(len, tokens), initial=0))
    parts: list[str] = []
    for run in runs(tokens, strengths):
        piece = text[ends[run.begin] : ends[run.end]]
        if parts and not run.strength and piece[:1].isdigit():
            piece = f" {piece}"
        parts.append(f"{OPEN}{piece}{CLOSE}{run.strength}" if run.strength else piece)
    return "".join(parts).strip()


def cost(tokens: Sequence[str], strengths: Sequence[int]) -> int:
    """What a context costs when it is shown so, in tokens, its text in those of the dictionary's model."""
    return LINE_TOKENS + len(tokens) + MARK_TOKENS * sum(run.strength > 0 for run in runs(tokens, strengths))


@dataclass(frozen=True)
class Run:
    """Neighbouring tokens that share a pair of marks, or have none."""

    begin: int
    end: int
    strength: int
    """Of the strongest; 0 where they are silent."""


def runs(tokens: Sequence[str], strengths: Sequence[int]) -> list[Run]:
    """The tokens of a context in runs, in order."""
    found: list[Run] = []
    for at, strength in enumerate(strengths):
        if found and found[-1].strength and strength and tokens[at - 1][-1:].isalnum() and tokens[at][:1].isalnum():
            found[-1] = Run(found[-1].begin, at + 1, max(found[-1].strength, strength))
        else:
            found.append(Run(at, at + 1, strength))
    alike = (list(group) for _, group in itertools.groupby(found, key=lambda run: run.strength))
    return [Run(group[0].begin, group[-1].end, group[0].strength) for group in alike]
