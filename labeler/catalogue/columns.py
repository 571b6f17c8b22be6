"""Column types that keep out what a database or a reader of JSON refuses: NUL, half characters, NaN, infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_ESCAPED = "json:"


def clean_text(text: str) -> str:
    """The text without NUL (PostgreSQL refuses it) and with U+FFFD for lone surrogates (UTF-8 has none)."""
    text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # By way of UTF-16, in which two halves that belong together become one character again.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_number(number: float | None) -> float | None:
    """The number as a plain float; None for NaN and infinity, which are no numbers in JSON."""
    return float(number) if number is not None and math.isfinite(number) else None


def clean_json(value: Any) -> Any:
    """The value as JSON has it: NaN and infinity are null, texts are clean, keys are strings, numpy is gone."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, np.ndarray | np.generic):
        return clean_json(value.tolist())
    if isinstance(value, float):
        return clean_number(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


class CleanText(TypeDecorator[str]):
    """Text without NUL and half characters."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See ``clean_text``."""
        return None if value is None else clean_text(value)


class WholeText(TypeDecorator[str]):
    """Text that comes out as it went in: what no database takes is escaped as in JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Text that needs no escape stands as it is; what does, or begins with the mark of one, is marked."""
        if value is None or (clean_text(value) == value and not value.startswith(_ESCAPED)):
            return value
        return _ESCAPED + json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text again."""
        if value is None or not value.startswith(_ESCAPED):
            return value
        return str(json.loads(value.removeprefix(_ESCAPED)))


class CleanFloat(TypeDecorator[float]):
    """A finite number or nothing."""

    impl = sa.Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """See ``clean_number``."""
        return clean_number(value)


class CleanJSON(TypeDecorator[Any]):
    """JSON that every reader takes; None is SQL's null."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """See ``clean_json``."""
        return clean_json(value)
