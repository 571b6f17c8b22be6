"""Catalogues as files: one format a file, one line of registration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from labeler.catalogue.export import csv, jsonl
from labeler.errors import InputError

Writer = Callable[[Iterable[Mapping[str, Any]], Path], int]
"""Writes exported rows to a file, whole or not at all; returns how many. InputError where it cannot be written."""

FORMATS: dict[str, Writer] = {
    "jsonl": jsonl.write,
    "csv": csv.write,
}


def writer(name: str) -> Writer:
    """The writer of a format; InputError where it is not known."""
    if name not in FORMATS:
        raise InputError(f"'{name}' is not an export format; use one of: {', '.join(FORMATS)}")
    return FORMATS[name]
