"""What people call the columns of a file of labels, and a row read by them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from labeler.catalogue.imports.base import ForeignLabel, foreign_label
from labeler.evidence.importers.files import Record

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

    def label(self, row: Record, columns: Columns) -> ForeignLabel | None:
        """The label of a row; None where it says that its feature has none (an exported one that failed, say).

        Raises InputError naming the row where a field is of the wrong kind, or the row is of another dictionary than
        those before.
        """
        index = _index(row, columns.index)
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
