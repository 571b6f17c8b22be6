"""Answers that quote words of numbered contexts, ``7: penny=9 the#2=3``, and back to tokens."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from labeler.features import FloatArray
from labeler.fence import BLANK, SIGNS, SPACE, TAB, one_line
from labeler.llm.answers import at_most

_ENTRY = re.compile(r"\s*(\d{1,9})\s*[:|](.*)", re.DOTALL)
_QUOTE = re.compile(r"(.+?)=\s*(-?\d{1,9})[,;]?(?:\s|\Z)", re.DOTALL)
_OCCURRENCE = re.compile(r"(.+)#(\d{1,9})\s*", re.DOTALL)
_BLANKS = re.compile(f"[ {SIGNS}]+")
_STRETCHING = SPACE + TAB + BLANK
"""Signs that stand for one thing together, as letters do for a word; line ends are counted one by one."""
# Scripts that put no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese and their neighbours.
_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u2e80-\u312f\u31a0-\ua4cf\ua9e0-\ua9ff\uaa60-\uaadf"
    "\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)


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
    shown = one_line("".join(tokens))  # what the model saw, as long as what there is
    text = shown.strip(" ")
    cut = len(shown) - len(shown.lstrip(" "))
    ends = np.cumsum([len(token) for token in tokens]) - cut
    starts = ends - [len(token) for token in tokens]
    blank = np.array([_is_blank(shown[cut + a : cut + b]) for a, b in zip(starts, ends, strict=True)], dtype=bool)
    values = np.zeros(length, dtype=np.float32)
    n_repaired = 0
    parted = [quotes_in(entry) for entry in entries]
    quotes = [quote for some in parted for quote in some]
    places = places_of([quoted for quoted, _ in quotes], text)
    if not all(parted) or places is None:
        return None
    for (_, strength), place in zip(quotes, places, strict=True):
        if not 0 <= strength <= 10:
            return None
        n_repaired += place.repaired or strength == 0
        hit = (starts < place.end) & (place.begin < ends)
        if _is_blank(text[place.begin : place.end]) and (hit & blank).any():
            hit &= blank  # not the word behind whose token begins with the last of the spaces
        values[: len(tokens)][hit] = np.maximum(values[: len(tokens)][hit], strength)
    return Mapped(values, len(quotes), n_repaired)


def quotes_in(entry: str) -> list[tuple[str, int]]:
    """What is quoted in an entry without its number, and how strong each is; nothing where part of it cannot be read.

    One space parts quotes; what white space stands beyond it may be quoted too.
    """
    found = []
    at = int(entry.startswith(" "))
    while entry[at:].strip():
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


def places_of(quoted: Sequence[str], text: str) -> list[Place] | None:
    """Where the quotes of a context stand, each; None where one of them does not, or may stand in two places.

    Which occurrences are counted, all quotes of a context say together: ``loop#4`` where it stands alone once and three
    times in other words was counted wherever its letters stand, and so were ``loop`` and ``loop#2`` beside it, and ``3#2``
    beside the last digits of years.
    """
    places = {one: place_of(one, text) for one in quoted}
    families = defaultdict(set)
    for one in places:
        families[one_line(_parted(one)[0]).strip(" ")].add(one)
    in_words = any(not hits(word, text, whole=True) and hits(word, text, whole=False) for word in families if word)
    for word, family in families.items():
        numbers = {one: _parted(one)[1] for one in family}
        found = {place and (place.begin, place.end) for place in map(places.get, family)}
        if word and (len(family) > 1 or in_words) and (None in found or len(found) < len(set(numbers.values()))):
            anywhere = hits(word, text, whole=False)
            if all(0 < number <= len(anywhere) for number in numbers.values()):
                places |= {one: Place(*anywhere[number - 1], repaired=True) for one, number in numbers.items()}
    read = [place for one in quoted if (place := places[one]) is not None]
    return read if len(read) == len(quoted) else None


def _parted(quoted: str) -> tuple[str, int]:
    """A quote's word, and which occurrence of it is meant."""
    counted = _OCCURRENCE.fullmatch(quoted)
    return (counted[1], int(counted[2])) if counted else (quoted, 1)


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
    """Where a word stands in a text, as a word or else as a part of one; None where it does not, or may in two places.

    The text is ``one_line``; the word may have white space itself in the place of its signs.
    """
    wanted = one_line(word).strip(" ") or one_line(word)
    if not wanted or occurrence < 1:
        return None
    if _is_blank(wanted):
        return _locate_blank(wanted, occurrence, text)
    alone = one_line(word.strip()) or wanted  # what stands around a word may only part it from others
    ways = [
        *(hits(wanted, text, whole) for whole in (True, False)),
        *(hits(alone, text, whole) for whole in (True, False) if alone != wanted),
        nearly(wanted, text) or nearly(alone, text),
    ]
    strictest = next((spans for spans in ways if spans), [])
    if occurrence <= len(strictest):
        return Place(*strictest[occurrence - 1], repaired=strictest is ways[-1])
    # A word that stands there once has no second place, unless it was counted among parts of words or in another case.
    meant = {spans[occurrence - 1] for spans in ways if occurrence <= len(spans)}
    meant |= set(strictest) if len(strictest) == 1 else set()
    return Place(*meant.pop(), repaired=True) if len(meant) == 1 else None


def _locate_blank(wanted: str, occurrence: int, text: str) -> Place | None:
    """Where white space stands: as a whole stretch, or else once in each stretch that holds it, or else wherever it does.

    Four spaces are those that stand alone, not half of eight in front of them: these are what nobody would count.
    """
    ways = [hits(wanted, text, whole=True), _in_stretches(wanted, text), hits(wanted, text, whole=False)]
    for spans in ways:
        if occurrence <= len(spans):
            return Place(*spans[occurrence - 1], repaired=False)
    near = [] if any(ways) else nearly(wanted, text)
    strictest = next((spans for spans in (*ways, near) if spans), [])
    if len(strictest) == 1:
        return Place(*strictest[0], repaired=True)
    return Place(*near[occurrence - 1], repaired=True) if occurrence <= len(near) else None


def _in_stretches(wanted: str, text: str) -> list[tuple[int, int]]:
    """Where the stretches begin that are as long as a quote of their sign, or longer."""
    if wanted[0] not in _STRETCHING or len(set(wanted)) > 1:
        return []
    return [found.span() for found in re.finditer(f"(?<!{wanted[0]}){wanted}", text)]


def hits(wanted: str, text: str, whole: bool) -> list[tuple[int, int]]:
    """Where a quote stands to the letter, from left to right.

    ``whole``: where it neither begins nor ends inside a word or a stretch of white space.
    """
    found = []
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        inside = whole and (_goes_on(text[at - 1 : at], wanted[0]) or _goes_on(text[end : end + 1], wanted[-1]))
        if not inside:
            found.append((at, end))
        at = text.find(wanted, at + 1 if inside else end)
    return found


def nearly(wanted: str, text: str) -> list[tuple[int, int]]:
    """Where a quote stands in another case, or with other white space between its words.

    Of a quote that is white space alone, which a model may miscount, the stretches of its kind that are nearest in length.
    """
    if not _is_blank(wanted):
        words = map(re.escape, _BLANKS.split(wanted))
        return [found.span() for found in re.finditer(_BLANKS.pattern.join(words), text, re.IGNORECASE)]
    kinds = "".join(f"{re.escape(sign)}+" for sign, _ in itertools.groupby(wanted))
    spans = [found.span() for found in re.finditer(f" |{SPACE}+" if set(wanted) == {SPACE} else kinds, text)]
    off = [abs(end - begin - len(wanted)) for begin, end in spans]
    return [span for span, by in zip(spans, off, strict=True) if by == min(off)]


def _goes_on(neighbour: str, edge: str) -> bool:
    """Whether an edge of a quote goes on with what stands beside it; a mark, and a script without spaces, never does."""
    if neighbour == edge and edge in _STRETCHING:
        return True
    return (
        bool(neighbour)
        and (edge.isalnum() or _is_accent(edge))
        and (neighbour.isalnum() or neighbour == "_" or _is_accent(neighbour))
        and not (_UNSPACED.match(edge) or _UNSPACED.match(neighbour))
    )


def _is_accent(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_blank(shown: str) -> bool:
    return _BLANKS.fullmatch(shown) is not None
