"""What a person may give as an argument in Python, or on the command line: one check for each kind, refused by name.

Every check takes what was given and what the argument is called, and raises InputError, in a line that says both and what
would be right.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
import reprlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

from labeler.errors import InputError

Names = str | Iterable[str]
"""One name, or several."""

Features = SupportsIndex | str | Iterable[SupportsIndex]
"""Features by their indices: a number, several (a list, a range, an array of numpy or torch), or ``"0-99,512"``."""


def name_of(given: object, option: str, of: str) -> str:
    """A name on one line; InputError for anything else, which says what it is the name ``of`` ("a dictionary")."""
    if isinstance(given, str) and len(given.splitlines()) <= 1 and "\0" not in given:
        return given
    raise InputError(f"{option} is {shown(given)}; give the name of {of}")


def one_of(given: object, option: str, allowed: Sequence[str]) -> str:
    """One of some words; InputError for anything else."""
    if isinstance(given, str) and given in allowed:
        return given
    raise InputError(f"{option} is {shown(given)}; give one of {', '.join(allowed)}")


def check_called(given: object, option: str, takes: str) -> None:
    """InputError where there is something that cannot be called with what is going on."""
    if not (given is None or callable(given)):
        raise InputError(f"{option} is {shown(given)}; give a function that takes {takes}")


def names_of(given: Any, option: str) -> tuple[str, ...]:
    """One name or several as a tuple; InputError for anything else."""
    if isinstance(given, str):
        return (given,)
    found = _several(given)
    if found is None or not all(isinstance(name, str) for name in found):
        raise InputError(f"{option} is {shown(given)}; give a name or a list of names, such as ['lexical']")
    return tuple(map(str, found))


def whole(given: object, option: str, least: int | None = None) -> int:
    """A whole number, numpy's too, of at least so much where that is said; InputError for anything else."""
    value = _index(given)
    if value is None or (least is not None and value < least):
        bound = "" if least is None else f", {least} or more"
        raise InputError(f"{option} is {shown(given)}; give a whole number{bound}")
    return value


def number(given: object, option: str) -> float:
    """A finite number; InputError for anything else."""
    if isinstance(given, bool) or not isinstance(given, numbers.Real) or not math.isfinite(given):
        raise InputError(f"{option} is {shown(given)}; give a number")
    return float(given)


def amount(given: object, option: str = "budget") -> float | None:
    """US dollars that can be spent, None where nobody set a bound; InputError for what is no amount of money."""
    if given is None:
        return None
    is_number = isinstance(given, numbers.Real) and not isinstance(given, bool)
    if not is_number or not 0 < given < math.inf:  # type: ignore[operator]
        raise InputError(f"{option} {shown(given)} is no amount to spend; give US dollars, more than 0")
    return float(given)  # type: ignore[arg-type]


def path_of(given: object, option: str) -> Path:
    """A file or folder by its name; InputError for anything else."""
    if isinstance(given, str | os.PathLike):
        place = os.fspath(given)
        if isinstance(place, str) and place and "\0" not in place:
            return Path(place)
    raise InputError(f"{option} is {shown(given)}; give the name of a file or a folder")


def indices_of(given: Features | None, here: Sequence[int]) -> list[int]:
    """The features that are meant, in the order in which they were given: all that are ``here`` (ascending) for None.

    InputError for what is no index: a fraction, a mask, a table. Whether they are here, whoever uses them finds out.
    """
    if given is None:
        return list(here)
    if isinstance(given, str):
        return parse_features(given, here)
    one = _index(given)
    if one is not None:
        return [one]
    several = _several(given)
    if several is None:
        raise InputError(f"features is {shown(given)}; give indices, or text such as '0-99,512'")
    if several and all(isinstance(each, bool) for each in several):
        raise InputError(
            "features is a mask of true and false; give the indices themselves, such as numpy.flatnonzero(mask)"
        )
    found = []
    for each in several:
        index = _index(each)
        if index is None:
            raise InputError(f"features holds {shown(each)}, which is no index; give a flat list of whole numbers")
        found.append(index)
    return found


def index_of(given: object) -> int:
    """One feature's index as Python's own number; InputError for what is none."""
    index = _index(given)
    if index is None:
        raise InputError(f"{shown(given)} is no feature index; give a whole number")
    return index


def among_slice(wanted: slice, here: Sequence[int]) -> list[int]:
    """The features that are ``here`` (ascending, distinct) of a range of indices, ascending.

    An end below 0 counts from the last of them; of what is left, every ``step``-th. InputError for an end that is no
    index, and a step that does not go on.
    """
    ends = [None if end is None else index_of(end) for end in (wanted.start, wanted.stop)]
    first, last = (here[max(end, -len(here))] if end is not None and end < 0 else end for end in ends)
    step = 1 if wanted.step is None else whole(wanted.step, "step", 1)
    low = 0 if first is None else bisect_left(here, first)
    high = len(here) if last is None else bisect_left(here, last)
    return list(here[low:high:step])


def parse_features(text: str, here: Sequence[int]) -> list[int]:
    """Indices out of ``0-99,512`` or ``@file``, of those that are ``here`` (ascending).

    A range means those in it that are here. InputError where they are none, or go beyond the dictionary's.
    """
    found: list[int] = []
    for part, start, end in _ranges(text):
        if end > here[-1]:
            raise InputError(f"feature {end} is out of range: there are features {here[0]} to {here[-1]}")
        some = _between(here, start, end)
        if not some:
            raise InputError(f"no feature of '{part}' is here; the nearest is {_nearest(here, start)}")
        found.extend(some)
    return found


def among(named: Sequence[str], here: Sequence[int], dictionary: str) -> tuple[list[int], list[str]]:
    """Those of some features that are ``here`` (ascending), each once in the order in which they were named, and what was
    named and is not here, as it would be named again.

    A range means those in it that are here; beyond the last one nothing is. InputError where none of them is here.
    """
    found: list[int] = []
    missing: list[str] = []
    for part, start, end in (one for text in named for one in _ranges(text)):
        some = _between(here, start, end)
        found.extend(some)
        if end > here[-1]:
            start = max(start, here[-1] + 1)
            missing.append(f"{start}-{end}" if end > start else str(end))
        elif not some:
            missing.append(part)
    if not found:
        which = f"feature {missing[0]} is" if missing[0].isdecimal() else f"features {missing[0]} are"
        why = "out of range" if int(missing[0].split("-")[0]) > here[-1] else "not here"
        near = "" if why == "out of range" else f"; the nearest is {_nearest(here, int(missing[0].split('-')[0]))}"
        raise InputError(f"{which} {why}: '{dictionary}' has features {here[0]} to {here[-1]}{near}")
    return list(dict.fromkeys(found)), list(dict.fromkeys(missing))


def _ranges(text: str) -> list[tuple[str, int, int]]:
    """The parts of ``0-99,512`` or ``@file``, each with its first index and its last; InputError for what is none."""
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise InputError(f"no file '{path}' with feature indices, one a line")
        text = ",".join(path.read_text(encoding="utf-8", errors="replace").split())
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"'{part}' is no feature index; write 0-99,512 or @file with an index a line")
        start, end = int(first), int(last or first)
        if end < start:
            raise InputError(f"'{part}' is no range of features; the smaller index comes first")
        found.append((part, start, end))
    if not found:
        raise InputError("no features were named; write 0-99,512 or @file with an index a line")
    return found


def _between(here: Sequence[int], start: int, end: int) -> Sequence[int]:
    return here[bisect_left(here, start) : bisect_right(here, end)]


def _nearest(here: Sequence[int], index: int) -> int:
    at = bisect_left(here, index)
    return min(here[max(0, at - 1) : at + 1], key=lambda found: abs(found - index))


def _index(given: object) -> int | None:
    """A whole number of Python's, numpy's or torch's; None for anything else, true and false among it."""
    if isinstance(given, bool) or type(given).__name__ == "bool":
        return None
    if getattr(given, "ndim", 0):  # an array of one element is an array
        return None
    try:
        return operator.index(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _several(given: Any) -> list[Any] | None:
    """What a list, a range, a set, an array or a table's column holds; None for what holds nothing in an order."""
    if isinstance(given, str | bytes | Mapping):
        return None
    try:
        held = given.tolist() if callable(getattr(given, "tolist", None)) else given
        return sorted(held) if isinstance(held, set | frozenset) else list(held)
    except TypeError:
        return None


def shown(given: object) -> str:
    """A value for a message, on one line however large it is."""
    return " ".join(reprlib.repr(given).split())
