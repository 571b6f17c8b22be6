"""Configurations of untrusted files: every value is asked for by its type."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from labeler.errors import InputError
from labeler.evidence.dictionaries.files import reading

LIMIT = 2**20
"""Bytes; a configuration is a page of text."""


@dataclass(frozen=True)
class Config:
    """An object out of a configuration file; null stands for absent. Each getter raises InputError for another type."""

    path: Path | str
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, expected: str) -> Config:
        """A JSON file, ``expected`` for people ("a SAELens configuration")."""
        return cls.of(path, json.loads, f"JSON: {expected}")

    @classmethod
    def read_yaml(cls, path: Path, expected: str) -> Config:
        """A YAML file, whose scalars all count as text.

        The plainest of PyYAML's loaders: it builds nothing but text, lists and objects, and merges no keys, which even
        the safe loader does until memory runs out.
        """
        import yaml  # comes with transformers

        return cls.of(path, lambda text: yaml.load(text, Loader=yaml.BaseLoader), f"YAML: {expected}")  # noqa: S506

    @classmethod
    def of(cls, path: Path, parse: Any, expected: str) -> Config:
        """A file by its parser."""
        with reading(path, expected):
            if path.stat().st_size > LIMIT:
                raise InputError(f"{path}: more than {LIMIT // 2**20} MiB; expected {expected}")
            values = parse(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise InputError(f"{path}: holds {cls.shown(values)}; expected an object, {expected}")
        return cls(path, values)

    def has(self, key: str) -> bool:
        """Whether it says anything of this."""
        return self.values.get(key) is not None

    def text(self, key: str) -> str:
        """A string; '' where absent."""
        value = self.values.get(key)
        if value is None:
            return ""
        return value if isinstance(value, str) else self._refuse(key, "a string")

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(key)
        if value is None:
            return default
        return value if isinstance(value, bool) else self._refuse(key, "true or false")

    def whole(self, key: str) -> int:
        """A whole number that must be there."""
        value = self.values.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            return value
        return self._refuse(key, "a whole number")

    def number(self, key: str) -> float:
        """A finite number that must be there."""
        value = self.values.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
            number = float(value)
            if math.isfinite(number):
                return number
        return self._refuse(key, "a number")

    def section(self, key: str) -> Config:
        """An object within; an empty one where absent."""
        value = self.values.get(key)
        if value is None:
            return Config(self.path, {})
        return Config(self.path, value) if isinstance(value, Mapping) else self._refuse(key, "an object")

    @staticmethod
    def shown(value: object) -> str:
        """A value for a message, however long or deep it is."""
        return reprlib.repr(value)

    def _refuse(self, key: str, expected: str) -> NoReturn:
        raise InputError(f"{self.path}: {key} is {self.shown(self.values.get(key))}, expected {expected}")
