"""Labels in tables of text with a header: cells parted by commas, semicolons or tabs; columns by what people call them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from labeler.catalogue.export.csv import defused
from labeler.catalogue.label_files.base import SHAPE, Row, foreign_label
from labeler.errors import InputError
from labeler.evidence.importers.files import Record, one_line

INDEX = (
    *("index", "idx", "feature_index", "feature_idx", "feature_id", "feature", "feature_number", "feature_num"),
    *("latent_index", "latent_idx", "latent_id", "latent", "neuron_index", "neuron_idx", "neuron_id", "neuron"),
    *("unit_index", "unit_id", "unit", "id"),
)
"""Names of the column that says which feature a row is about; of several the first one here."""

LABEL = (
    *("label", "interpretation", "explanation", "autointerp", "auto_interp", "autointerpretation", "interp"),
    *("description", "annotation", "concept", "meaning", "summary", "name", "text"),
)

DESCRIPTION = ("description",)

EXPLAINER = ("explainer", "explanation_model_name", "explainer_model", "explanation_model", "annotator", "author")

DICTIONARY = ("layer", "layer_index", "layer_idx", "hook", "hook_name", "hook_point", "sae_id", "model_id")
"""Names of columns that say of which dictionary a feature is: indices of two are not the same features."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a file by what they hold, under the names that the file has for them."""

    index: str
    label: str
    description: str | None = None
    explainer: str | None = None
    state: str | None = None
    """How a feature ended, in an export of this project."""
    dictionary: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> Columns | None:
        """The columns among some names, however they are written (``neuronIdx``, ``Neuron idx``); None where one lacks."""
        known: dict[str, str] = {}
        for name in names:
            known.setdefault(plain(name), name)

        def first(wanted: Iterable[str], but: str | None = None) -> str | None:
            found = (known[plain(one)] for one in wanted if plain(one) in known)
            return next((name for name in found if name != but), None)

        index = first(INDEX)
        label = first(LABEL, but=index)
        if index is None or label is None:
            return None
        return cls(
            index=index,
            label=label,
            description=first(DESCRIPTION, but=label),
            explainer=first(EXPLAINER),
            state=known.get("state"),
            dictionary=tuple(known[plain(name)] for name in DICTIONARY if plain(name) in known),
        )


def plain(name: str) -> str:
    """A column's name without case, spaces and other signs between its words."""
    return "".join(character for character in name.casefold() if character.isalnum())


class Rows:
    """Rows of one file, read one after another: all of one dictionary."""

    def __init__(self) -> None:
        self._dictionary: dict[str, str] = {}

    def label(self, row: Record, columns: Columns) -> Row:
        """The label of a row; None where it says that its feature has none (an exported one that failed, say), an
        InputError naming the row where its index is none.

        Raises InputError naming the row where another field is of the wrong kind, or the row is of another dictionary than
        those before.
        """
        try:
            index = _index(row, columns.index)
        except InputError as error:
            return error
        for name in columns.dictionary:
            value = row.text(name)
            first = self._dictionary.setdefault(name, value) if value else value
            if value != first:
                raise row.wrong(
                    f"of {name} '{value}', but the first row is of '{first}'; give one dictionary at a time"
                )
        if columns.state is not None and row.text(columns.state) not in ("", "labelled"):
            return None
        description, explainer = (
            row.text(n) if n is not None else "" for n in (columns.description, columns.explainer)
        )
        return foreign_label(row.place, index, row.text(columns.label), description, explainer)


def _index(row: Record, name: str) -> int:
    """A feature's index; programs that know one kind of number only write 12 as 12.0."""
    value: Any = row.fields.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, str):
        value = value.strip()
        value = value.removesuffix(".0") if value.removesuffix(".0").isdecimal() else value
    return Record(row.place, {name: value}).index(name)


SEPARATORS = (",", ";", "\t")

_SAID = re.compile("sep=(.)\r?\n")
"""How a spreadsheet says in a first line what parts the cells."""


def labels(text: str, place: str, rows: Rows) -> Iterator[Row]:
    """The labels of all rows; None for one that says that its feature has none, see ``Rows``.

    The separator is the one by which the header has the columns that are needed. Raises InputError where there is none,
    or a row is damaged.
    """
    said = _SAID.match(text)
    skipped = 1 if said else 0
    text = text[said.end() :] if said else text
    separator, columns, header = _header(text, place, (said[1],) if said else SEPARATORS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(reader)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            here = f"{place}, line {reader.line_num + skipped}"
            if len(cells) != len(header):
                raise InputError(one_line(f"{here}: not as many cells as the {len(header)} columns of the header"))
            fields = dict(zip(header, map(_plain, cells) if columns.state else cells, strict=True))
            yield rows.label(Record(here, fields), columns)
    except csv.Error as error:
        raise InputError(one_line(f"{place}, line {reader.line_num + skipped}: not CSV ({error})")) from error


def _header(text: str, place: str, separators: tuple[str, ...]) -> tuple[str, Columns, list[str]]:
    """What parts the cells, which columns are which, and the names of all."""
    seen: list[str] = []
    for separator in separators:
        try:
            names = [name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))]
        except (csv.Error, StopIteration):
            continue
        if (columns := Columns.of(names)) is not None:
            return separator, columns, names
        seen = max(seen, names, key=len)
    columns_are = f" (its columns are {', '.join(seen)})" if len(seen) > 1 else ""
    raise InputError(one_line(f"{place}: not a file of labels{columns_are}; write {SHAPE}"))


def _plain(cell: str) -> str:
    """A cell of our own export without the apostrophe that kept a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and defused(cell[1:]) == cell else cell
