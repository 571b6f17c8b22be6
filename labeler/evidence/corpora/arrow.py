"""What Parquet files and saved datasets have in common: record batches with a column ``text``, optionally ``id``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from labeler.errors import InputError, MissingExtraError
from labeler.evidence.corpora.base import Document

ROWS = 256
"""Rows in memory at once; a row may be a book."""

Batches = Callable[[Path], AbstractContextManager[tuple[Any, Iterator[Any]]]]
"""Opens a file: its Arrow schema, and its record batches, in order."""


def check_pyarrow(what: str) -> None:
    """Raises MissingExtraError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(what, "local")


def documents(path: Path, opened: Batches) -> Iterator[Document]:
    """A document a row, a batch at a time in memory; InputError naming the file for damage, and for rows without text."""
    import pyarrow

    try:
        with opened(path) as (schema, batches):
            columns = _columns(path, schema)
            row = 0
            for batch in batches:
                batch = batch.select(columns)
                batch.validate(full=True)  # lengths and offsets come from the file: nothing is read on their word
                for start in range(0, batch.num_rows, ROWS):
                    for cells in batch.slice(start, ROWS).to_pylist():
                        row += 1
                        if cells["text"] is None:
                            raise InputError(f"{path}, row {row}: no text; leave such rows out")
                        name = cells.get("id")
                        yield f"{path.name}:{row}" if name is None else str(name), [cells["text"]]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"cannot read '{path}': {reason}") from error


def _columns(path: Path, schema: Any) -> list[str]:
    """``text``, and ``id`` where there is one."""
    from pyarrow import types

    names = [name for name in ("text", "id") if name in schema.names]
    twice = [name for name in names if schema.names.count(name) > 1]
    if twice:
        raise InputError(f"{path}: two columns are called '{twice[0]}'; keep one")
    if "text" not in names or not (types.is_string(kind := schema.field("text").type) or types.is_large_string(kind)):
        found = ", ".join(f"{field.name} ({field.type})" for field in list(schema)[:20])
        raise InputError(f"{path}: no column 'text' of strings; there are: {found or 'no columns'}")
    return names
