"""Which tokens of a context are shown marked, rightly or wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.evidence.store import EvidenceStore
from labeler.features import FloatArray, Frame, IntArray

Marks = tuple[int, ...]
"""Positions of tokens, ascending."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A context as far as marks are concerned."""

    row: int
    """Its row in the frame."""
    active: Marks
    """The tokens on which the feature fires and that are not blank."""
    free: frozenset[int]
    """Those on which it is silent and that are not blank."""
    begins: tuple[bool, ...]
    """[n_tokens] whether each begins a word, or stands alone, rather than goes on with one."""


def sheets(store: EvidenceStore, frame: Frame, rows: IntArray) -> list[Sheet]:
    """The sheets of some rows of a frame."""
    return [sheet(int(row), store.rows.strings(int(frame.contexts[row])), frame.truth[row]) for row in rows]


def sheet(row: int, tokens: Sequence[str], truth: FloatArray) -> Sheet:
    """The sheet of a context: n tokens, their true activations [≥ n]."""
    seen = [at for at, token in enumerate(tokens) if token.strip()]
    before = ["", *tokens][: len(tokens)]
    return Sheet(
        row=row,
        active=tuple(at for at in seen if truth[at] > 0),
        free=frozenset(at for at in seen if not truth[at] > 0),
        begins=tuple(not (a[-1:].isalnum() and b[:1].isalnum()) for a, b in zip(before, tokens, strict=True)),
    )


def takes(one: Sheet, giver: Sheet) -> bool:
    """Whether a context can be shown with the marks of another, position for position, on tokens that are silent in it.

    The number of marks, their places and which of them touch then say nothing about whose they are. A mark that begins a
    word there begins one here, and one inside a word stands inside one: a mark that cuts a word in two would tell as well.
    """
    return one.free.issuperset(giver.active) and all(one.begins[at] == giver.begins[at] for at in giver.active)


def taker(giver: Sheet, sheets: Sequence[Sheet]) -> Sheet | None:
    """The first of the sheets that take another's marks and are most like it in length; None where none takes them."""
    able = [one for one in sheets if takes(one, giver)]
    return min(able, key=lambda one: abs(len(one.begins) - len(giver.begins)), default=None)
