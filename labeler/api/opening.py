"""What is here: dictionaries and runs by their names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from labeler.api.dictionary import Dictionary
from labeler.api.running import Run
from labeler.api.tools import has_catalogue, open_catalogue, settings_of
from labeler.arguments import name_of
from labeler.errors import InputError

# What a call needs is imported there: a look at a row should not have to wait for the SDKs of language models.
if TYPE_CHECKING:
    from labeler.evidence.store.manifest import Manifest

P = ParamSpec("P")
T = TypeVar("T")


def open(name: str, home: str | Path | None = None) -> Dictionary:
    """A dictionary by its name; InputError where there is none."""
    from labeler.home import open_store

    chosen = settings_of(home)
    name_of(name, "name", "a dictionary that is here")
    with chosen.blaming("dictionaries"):
        return Dictionary(name, open_store(chosen.shelf, name), chosen)


def _or_its_name(method: Callable[Concatenate[Dictionary, P], T]) -> Callable[Concatenate[str | Dictionary, P], T]:
    """A method of ``Dictionary`` as a function of one, or of the name of one that is here."""

    @functools.wraps(method)
    def call(dictionary: str | Dictionary, /, *args: P.args, **kwargs: P.kwargs) -> T:
        found = dictionary if isinstance(dictionary, Dictionary) else open(dictionary)
        return method(found, *args, **kwargs)

    signature = inspect.signature(method)
    first, *rest = signature.parameters.values()
    named = first.replace(name="dictionary", kind=first.POSITIONAL_ONLY, annotation="str | Dictionary")
    call.__signature__ = signature.replace(parameters=[named, *rest])  # type: ignore[attr-defined]
    return call


label = _or_its_name(Dictionary.label)


def dictionaries(home: str | Path | None = None) -> list[str]:
    """The names of the dictionaries that are here."""
    from labeler.home import names

    chosen = settings_of(home)
    with chosen.blaming("dictionaries"):
        return names(chosen.shelf)


def look(name: str, *, verify: bool = False, home: str | Path | None = None) -> tuple[Manifest | None, str | None]:
    """What a dictionary's evidence says of itself, and what is wrong with it; None where all is well.

    Every file must be there and as long as it was written; with ``verify`` it must hold the same bytes.
    """
    from labeler.home import open_store

    name_of(name, "name", "a dictionary that is here")
    try:
        store = open_store(settings_of(home).shelf, name)
    except InputError as error:
        return None, str(error)
    return store.manifest, store.health(verify)


def run(id: str, home: str | Path | None = None) -> Run:
    """A run by its id, or by enough of its beginning; InputError where there is none or several."""
    chosen = settings_of(home)
    name_of(id, "run", "a run, or enough of its beginning")
    if not has_catalogue(chosen):
        raise InputError(f"there is no run '{id}' (runs: none yet)")
    catalogue = open_catalogue(chosen)
    record = catalogue.run(id)
    return Run(record.id, record.dictionary, catalogue, chosen)


def runs(home: str | Path | None = None) -> list[Run]:
    """All runs, newest first."""
    chosen = settings_of(home)
    if not has_catalogue(chosen):
        return []
    catalogue = open_catalogue(chosen)
    return [Run(record.id, record.dictionary, catalogue, chosen) for record in catalogue.runs()]
