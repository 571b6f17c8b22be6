"""The options of labelling as a person gives them: what each is by default, what stands for it, what is refused by name.

The command's options and the arguments of ``labeler.Dictionary`` are the same, and take their defaults from here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar, get_args

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
