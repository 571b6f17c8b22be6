"""Answers that quote words of numbered contexts, ``7: penny=9 the#2=3``, and back to tokens."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from labeler.features import FloatArray
from labeler.fence import one_line
from labeler.llm.structured import at_most

_ENTRY = re.compile(r"\s*(\d{1,9})\s*[:|](.*)", re.DOTALL)
_QUOTE = re.compile(r"\s*(.+?)=\s*(-?\d{1,9})[,;]?(?:\s+|\Z)", re.DOTALL)
_OCCURRENCE = re.compile(r"(.+)#(\d{1,9})\s*", re.DOTALL)


class Guesses(BaseModel):
    """What would be active in the contexts of a call; each is named in exactly one of the two."""

    active: Annotated[list[Annotated[str, at_most(20_000)]], at_most(1_000)] = Field(
        description='for every context with active words "N: word=STRENGTH word=STRENGTH"; word#2 is its second occurrence'
    )
    silent: Annotated[list[int], at_most(1_000)] = Field(
        description="the numbers of the contexts in which nothing is active"
    )


@dataclass(frozen=True, eq=False)
class Mapped:
    """One context's quotes on its tokens."""

    values: FloatArray
    """[length] strengths."""
    n_quotes: int
    n_repaired: int


def read(guesses: Guesses, contexts: Sequence[Sequence[str]], length: int) -> dict[int, Mapped]:
    """What an answer says of contexts 1, 2, … (the tokens of each), by their place here, from 0.

    Left out is what has no usable answer: named neither as active nor as silent or as both, or with an entry that cannot
    be read or is not in the text. An entry without a number may belong to any of those that are named as active.
    """
    entries: defaultdict[int, list[str]] = defaultdict(list)
    stray = False
    for entry in guesses.active:
        parted = _ENTRY.fullmatch(entry)
        if parted:
            entries[int(parted[1])].append(parted[2])
        else:
            stray = True
    silent = set(guesses.silent)
    found = {}
    for at, tokens in enumerate(contexts):
        number = at + 1
        if number in silent and number not in entries:
            found[at] = Mapped(np.zeros(length, dtype=np.float32), 0, 0)
        elif number in entries and number not in silent and not stray:
            mapped = on_tokens(entries[number], tokens, length)
            if mapped is not None:
                found[at] = mapped
    return found


def on_tokens(entries: Sequence[str], tokens: Sequence[str], length: int) -> Mapped | None:
    """Entries (``penny=9 the#2=3``) mapped to the tokens they overlap, with their strengths; None where one cannot be.

    What is unambiguous is repaired: a quote in another case, an occurrence that is not there of a word that stands there
    once, the strength 0, which is silence. Which of several places is meant, or how much 11 of 10 is, only the model knows.
    """
    text = one_line("".join(tokens))  # what the model saw, as long as what there is
    ends = np.cumsum([len(token) for token in tokens])
    starts = ends - [len(token) for token in tokens]
    values = np.zeros(length, dtype=np.float32)
    n_quotes = n_repaired = 0
    for entry in entries:
        quotes = quotes_in(entry)
        if not quotes:
            return None
        for quoted, strength in quotes:
            place = place_of(quoted, text)
            if place is None or not 0 <= strength <= 10:
                return None
            n_quotes += 1
            n_repaired += place.repaired or strength == 0
            hit = (starts < place.end) & (place.begin < ends)
            values[: len(tokens)][hit] = np.maximum(values[: len(tokens)][hit], strength)
    return Mapped(values, n_quotes, n_repaired)


def quotes_in(entry: str) -> list[tuple[str, int]]:
    """What is quoted in an entry without its number, and how strong each is; nothing where part of it cannot be read."""
    found = []
    at = 0
    while at < len(entry):
        quote = _QUOTE.match(entry, at)
        if quote is None:
            return []
        found.append((quote[1], int(quote[2])))
        at = quote.end()
    return found


@dataclass(frozen=True)
class Place:
    """Where a quote stands in a text, in characters."""

    begin: int
    end: int
    repaired: bool
    """Whether the quote does not say so to the letter."""


def place_of(quoted: str, text: str) -> Place | None:
    """Where ``word`` or ``word#2`` stands in a text; None where it does not, or may stand in two places.

    ``#2`` may as well be part of what is quoted: what fits to the letter is meant.
    """
    counted = _OCCURRENCE.fullmatch(quoted)
    readings = [locate(quoted, 1, text), *([locate(counted[1], int(counted[2]), text)] if counted else [])]
    places = {place for place in readings if place is not None}
    exact = {place for place in places if not place.repaired} or places
    return exact.pop() if len(exact) == 1 else None


def locate(word: str, occurrence: int, text: str) -> Place | None:
    """Where a word stands in a text, as a word or else as a part of one; None where it does not, or may in two places."""
    wanted = word.strip()
    if not wanted:
        return None
    # A word ends where its letters do; a mark may touch what it likes.
    before, behind = (r"(?<!\w)" if wanted[0].isalnum() else ""), (r"(?!\w)" if wanted[-1].isalnum() else "")
    ways = [
        [hit.span() for hit in re.finditer(pattern, text, flags)]
        for pattern, flags in (
            (before + re.escape(wanted) + behind, re.NOFLAG),
            (re.escape(wanted), re.NOFLAG),
            (re.escape(wanted), re.IGNORECASE),
        )
    ]
    strictest = next((hits for hits in ways if hits), [])
    if 1 <= occurrence <= len(strictest):
        return Place(*strictest[occurrence - 1], repaired=strictest is ways[-1])
    # A word that stands there once has no second place, unless it was counted among parts of words or in another case.
    meant = {hits[occurrence - 1] for hits in ways if 1 <= occurrence <= len(hits)}
    meant |= set(strictest) if len(strictest) == 1 else set()
    return Place(*meant.pop(), repaired=True) if len(meant) == 1 else None
