"""JSON: an object a line, a list of objects or of texts, or one object with a label, or several, under each index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from labeler.catalogue.label_files.base import Row
from labeler.catalogue.label_files.csv import Columns, Rows
from labeler.evidence.importers.files import Record, parse


def labels(text: str, place: str, rows: Rows) -> Iterator[Row]:
    """The labels of a text; None for a feature of which it says that it has none. InputError where it is damaged."""
    if _is_by_line(text):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                here = f"{place}, line {number}"
                yield from _of(Record.of(parse(line.encode(), here, _every), here).fields, here, rows)
        return
    yield from _of(parse(text.encode(), place, _every), place, rows)


def _every(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which an index that stands there twice has all that stands under it, where Python keeps the last."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and key.strip().isdecimal():
            found[key] = [one for held in (found[key], value) for one in (held if isinstance(held, list) else [held])]
        else:
            found[key] = value
    return found


def _is_by_line(text: str) -> bool:
    """Whether the first line that holds anything is an object by itself."""
    first = next(line for line in text.split("\n") if line.strip())
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _of(value: Any, place: str, rows: Rows) -> Iterator[Row]:
    """The labels of a list, of an object by index, or of an object that is a row itself."""
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _of_item(item, at, f"{place}, [{at}]", rows)
    elif isinstance(value, dict) and not _says_index(value) and any(key.strip().isdecimal() for key in value):
        for key, item in value.items():
            for one in item if isinstance(item, list) else [item]:
                yield from _of_item(
                    {"label": one} if not isinstance(one, dict) else one, key, f"{place}, '{key}'", rows
                )
    else:
        yield _row(Record.of(value, place), rows)


def _of_item(item: Any, index: int | str, place: str, rows: Rows) -> Iterator[Row]:
    """The label of an item, which has its index from its place where it does not say one itself."""
    if item is None or isinstance(item, str):
        item = {"label": item}
    row = Record.of(item, place)
    yield _row(row if _says_index(row.fields) else Record(place, {**row.fields, "index": index}), rows)


def _says_index(fields: dict[str, Any]) -> bool:
    """Whether an object says itself which feature it is about."""
    return any(Columns.of([name, "label"]) for name in fields)


def _row(row: Record, rows: Rows) -> Row:
    # A row without a label of any name has an empty one; without an index nobody knows whose it is.
    columns = Columns.of(row.fields) or Columns.of([*row.fields, "label"])
    if columns is None:
        columns = Columns(index="index", label="label")
    return rows.label(row, columns)
