"""Catalogues as files: one format a file, one line of registration."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from labeler.catalogue.export import csv, jsonl
from labeler.catalogue.export.whole import whole_file
from labeler.errors import InputError

Rows = Iterable[Mapping[str, Any]]
"""Exported rows."""

Writer = Callable[[Rows, TextIO, Path | None], int]
"""Writes exported rows to an open file; returns how many. What is put aside meanwhile is put in the folder."""

FORMATS: dict[str, Writer] = {
    "jsonl": jsonl.write,
    "csv": csv.write,
}


def writer(name: str) -> Writer:
    """The writer of a format; InputError where it is not known."""
    if not isinstance(name, str) or name not in FORMATS:
        raise InputError(f"'{name}' is not an export format; use one of: {', '.join(FORMATS)}")
    return FORMATS[name]


def write(rows: Rows, format: str, target: Path | TextIO) -> int:
    """Write rows in a format: to a file by its name, whole or not at all and as UTF-8, or to one that is open.

    Returns how many. InputError where the format is not known, or the file cannot be written.
    """
    found = writer(format)
    if not isinstance(target, Path):
        return found(rows, target, None)
    with whole_file(target) as file:
        return found(rows, file, Path(os.path.realpath(target)).parent)


def format_for(path: Path, named: str | None) -> str:
    """The format of a file: the one that is named, else the one that it ends in; JSON lines where it has no ending.

    InputError for a format that is not known, and for an ending that is another's or nobody's.
    """
    ending = path.suffix[1:].lower()
    if named is not None:
        writer(named)
        if ending in FORMATS and ending != named:
            raise InputError(f"'{path}' ends as {ending} does, and the format is {named}; leave one of them out")
        return named
    if ending and ending not in FORMATS:
        known = " or ".join(f".{name}" for name in FORMATS)
        raise InputError(
            f"no export ends in .{ending} ('{path}'); name a file that ends in {known}, or give a `format`"
        )
    return ending or "jsonl"


def check_free(path: Path) -> None:
    """InputError where a file stands at the path already."""
    if os.path.isfile(path):
        raise InputError(f"'{path}' is there already; name another file, or replace it with `force=True`")
