"""The options of labelling as a person gives them: what each is by default, what stands for it, what is refused by name.

The command's options and the arguments of ``labeler.Dictionary`` are the same, and take their defaults from here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from inspect import Parameter
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, get_args

from labeler.arguments import Names, amount, name_of, names_of, number, one_of, shown, whole
from labeler.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

Mode = Literal["direct", "batch", "offline"]
"""How hosted models are asked: call by call, in providers' batches, or through files that somebody else has answered."""


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
        one_of(self.mode, "mode", get_args(Mode))
        if self.escalate is not None:
            name_of(self.escalate, "escalate", "one explainer")
        prompts = {} if self.prompts is None else self.prompts
        if not isinstance(prompts, Mapping) or not all(isinstance(text, str) for text in prompts.values()):
            raise InputError(f"prompts is {shown(prompts)}; give templates by the names of the shipped ones")
        self._set("prompts", dict(prompts))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def labelling(self) -> dict[str, Any]:
        """All of them that a run's configuration keeps; the money is the run's own."""
        return {name: value for name, value in vars(self).items() if name != "budget"}


SINGULAR = {"explainer": "explainers", "simulator": "simulators", "scorer": "scorers"}
"""The command's options that may be repeated, and the arguments that take all of them at once."""


class Scoring(TypedDict, total=False):
    """The options of whatever scores labels."""

    scorers: Names
    contexts: int
    precision: float
    foreign: int | None
    seed: int
    mode: Mode
    prompts: Mapping[str, str] | None
    budget: float | None


class Labelling(Scoring, total=False):
    """All of ``Options`` as they are handed on."""

    explainers: Names
    simulators: Names
    escalate: str | None
    below: float


def taking(options: type[Scoring]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """For a function with ``**options``: each of them stands in its signature, with its default, and has two names.

    It takes ``explainer="lexical"``, as the command calls it, for ``explainers`` and so on. TypeError, as of any function,
    for a name that it does not know.
    """
    stated = {each.name: each for each in fields(Options) if each.name in options.__annotations__}
    named = [Parameter(n, Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type) for n, f in stated.items()]

    def of(call: Callable[P, T]) -> Callable[P, T]:
        written = inspect.signature(call)
        own = [one for one in written.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        signature = written.replace(parameters=[*own, *named])

        @functools.wraps(call)
        def either(*args: P.args, **kwargs: P.kwargs) -> T:
            for one, several in SINGULAR.items():
                if one in kwargs and several in signature.parameters:
                    if several in kwargs:
                        raise InputError(f"{one} and {several} are the same option; give one of them")
                    kwargs[several] = kwargs.pop(one)
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{call.__name__}() {error}") from None
            return call(*args, **kwargs)

        either.__signature__ = signature  # type: ignore[attr-defined]
        return either

    return of
