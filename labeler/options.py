"""The options of labelling as a person gives them: what each is by default, what stands for it, what is refused by name.

The command's options and the arguments of ``labeler.Dictionary`` are the same, and take their defaults from here.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import operator
import os
import reprlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, SupportsIndex, TypeVar, get_args

from labeler.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

Mode = Literal["direct", "batch", "offline"]
"""How hosted models are asked: call by call, in providers' batches, or through files that somebody else has answered."""

Names = str | Iterable[str]
"""One name, or several."""

Features = SupportsIndex | str | Iterable[SupportsIndex]
"""Features by their indices: a number, several (a list, a range, an array of numpy or torch), or ``"0-99,512"``."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How features are labelled; InputError naming the option that is none."""

    explainers: Names = ("lexical",)
    simulators: Names = ("embedding",)
    """The first gives the headline score."""
    scorers: Names = ()
    """What judges labels beside the simulators."""
    contexts: int = 80
    """Contexts that a paid simulator or scorer is asked about; what costs nothing sees everything at hand."""
    precision: float = 0.15
    """A score whose interval reaches further to either side is ``imprecise``."""
    foreign: int | None = None
    """Labels of other features that a paid simulator or scorer is tried with, for the null; where nobody says how many,
    as many as cost a fifth of the run at most."""
    seed: int = 0
    mode: Mode = "direct"
    escalate: str | None = None
    """The explainer that is asked, besides, about features whose label is unclear or holds too little on ``select``."""
    below: float = 0.2
    """What the label's score on ``select`` has to reach, for its feature not to be escalated."""
    prompts: Mapping[str, str] | None = None
    """Templates that take the place of shipped ones, by their names."""
    budget: float | None = None
    """US dollars that are never overshot."""

    def __post_init__(self) -> None:
        for name in ("explainers", "simulators", "scorers"):
            self._set(name, names_of(getattr(self, name), name))
        for name, least in (("contexts", None), ("seed", 0)):
            self._set(name, whole(getattr(self, name), name, least))
        self._set("foreign", None if self.foreign is None else whole(self.foreign, "foreign", 0))
        for name in ("precision", "below"):
            self._set(name, number(getattr(self, name), name))
        self._set("budget", amount(self.budget))
        if self.mode not in get_args(Mode):
            raise InputError(f"mode is {_shown(self.mode)}; give one of {', '.join(get_args(Mode))}")
        if not (self.escalate is None or isinstance(self.escalate, str)):
            raise InputError(f"escalate is {_shown(self.escalate)}; give the name of one explainer")
        prompts = {} if self.prompts is None else self.prompts
        if not isinstance(prompts, Mapping) or not all(isinstance(text, str) for text in prompts.values()):
            raise InputError(f"prompts is {_shown(prompts)}; give templates by the names of the shipped ones")
        self._set("prompts", dict(prompts))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def labelling(self) -> dict[str, Any]:
        """All of them that a run's configuration keeps; the money is the run's own."""
        return {name: value for name, value in vars(self).items() if name != "budget"}


SINGULAR = {"explainer": "explainers", "simulator": "simulators", "scorer": "scorers"}
"""The command's options that may be repeated, and the arguments that take all of them at once."""


def in_the_commands_words(call: Callable[P, T]) -> Callable[P, T]:
    """The same, which takes ``explainer="lexical"`` for ``explainers`` and so on: that is what the command calls them."""
    taken = inspect.signature(call).parameters

    @functools.wraps(call)
    def either(*args: P.args, **kwargs: P.kwargs) -> T:
        for one, several in SINGULAR.items():
            if one in kwargs and several in taken:
                if several in kwargs:
                    raise InputError(f"{one} and {several} are the same option; give one of them")
                kwargs[several] = kwargs.pop(one)
        return call(*args, **kwargs)

    return either


def names_of(given: Any, option: str) -> tuple[str, ...]:
    """One name or several as a tuple; InputError for anything else."""
    if isinstance(given, str):
        return (given,)
    found = _several(given)
    if found is None or not all(isinstance(name, str) for name in found):
        raise InputError(f"{option} is {_shown(given)}; give a name or a list of names, such as ['lexical']")
    return tuple(map(str, found))


def whole(given: object, option: str, least: int | None = None) -> int:
    """A whole number, numpy's too, of at least so much where that is said; InputError for anything else."""
    value = _index(given)
    if value is None or (least is not None and value < least):
        bound = "" if least is None else f", {least} or more"
        raise InputError(f"{option} is {_shown(given)}; give a whole number{bound}")
    return value


def number(given: object, option: str) -> float:
    """A finite number; InputError for anything else."""
    if isinstance(given, bool) or not isinstance(given, numbers.Real) or not math.isfinite(given):
        raise InputError(f"{option} is {_shown(given)}; give a number")
    return float(given)


def amount(given: object, option: str = "budget") -> float | None:
    """US dollars that can be spent, None where nobody set a bound; InputError for what is no amount of money."""
    if given is None:
        return None
    is_number = isinstance(given, numbers.Real) and not isinstance(given, bool)
    if not is_number or not 0 < given < math.inf:  # type: ignore[operator]
        raise InputError(f"{option} {_shown(given)} is no amount to spend; give US dollars, more than 0")
    return float(given)  # type: ignore[arg-type]


def path_of(given: object, option: str) -> Path:
    """A file or folder by its name; InputError for anything else."""
    if isinstance(given, str | os.PathLike):
        place = os.fspath(given)
        if isinstance(place, str) and place and "\0" not in place:
            return Path(place)
    raise InputError(f"{option} is {_shown(given)}; give the name of a file or a folder")


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
        raise InputError(f"features is {_shown(given)}; give indices, or text such as '0-99,512'")
    if several and all(isinstance(each, bool) for each in several):
        raise InputError(
            "features is a mask of true and false; give the indices themselves, such as numpy.flatnonzero(mask)"
        )
    found = []
    for each in several:
        index = _index(each)
        if index is None:
            raise InputError(f"features holds {_shown(each)}, which is no index; give a flat list of whole numbers")
        found.append(index)
    return found


def index_of(given: object) -> int:
    """One feature's index as Python's own number; InputError for what is none."""
    index = _index(given)
    if index is None:
        raise InputError(f"{_shown(given)} is no feature index; give a whole number")
    return index


def parse_features(text: str, here: Sequence[int]) -> list[int]:
    """Indices out of ``0-99,512`` or ``@file``, of those that are ``here`` (ascending).

    A range means those in it that are here. InputError where they are none, or go beyond the dictionary's.
    """
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise InputError(f"no file '{path}' with feature indices, one a line")
        text = ",".join(path.read_text(encoding="utf-8", errors="replace").split())
    found: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"'{part}' is no feature index; write 0-99,512 or @file with an index a line")
        start, end = int(first), int(last or first)
        if end < start:
            raise InputError(f"'{part}' is no range of features; the smaller index comes first")
        if end > here[-1]:
            raise InputError(f"feature {end} is out of range: there are features {here[0]} to {here[-1]}")
        among = here[bisect_left(here, start) : bisect_right(here, end)]
        if not among:
            raise InputError(f"no feature of '{part}' is here; the nearest is {_nearest(here, start)}")
        found.extend(among)
    if not found:
        raise InputError("no features were named; write 0-99,512 or @file with an index a line")
    return found


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


def _shown(given: object) -> str:
    """A value for a message, on one line however large it is."""
    return " ".join(reprlib.repr(given).split())
