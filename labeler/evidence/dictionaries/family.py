"""What a family of dictionaries on disk is to the loader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from labeler.evidence.dictionaries.base import Dictionary


@dataclass(frozen=True)
class Family:
    """Recognised by the name of its weights' file alone; whether all else is right, its reader says."""

    weights: str
    """The file with the weights, relative to the dictionary's folder; ``*`` stands for part of a name."""
    read: Callable[[Path], Dictionary]
    """Takes the path of that file. Raises InputError where something is missing or does not fit."""
    beside: tuple[str, ...] = ()
    """Other files that the reader looks at, relative to the same folder."""

    @property
    def looks(self) -> str:
        """What a folder of this family holds, for people."""
        return " with ".join([self.weights, *self.beside[:1]])

    def holds(self, name: str) -> bool:
        """Whether a name relative to a folder is that of the weights' file."""
        return name.count("/") == self.weights.count("/") and fnmatchcase(name, self.weights)
