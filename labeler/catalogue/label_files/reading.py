"""A file of labels, whatever its format, as candidates by feature."""

from __future__ import annotations

import codecs
import re
import reprlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from labeler.catalogue.label_files import csv, json_text, neuronpedia
from labeler.catalogue.label_files.base import SHAPE, ForeignLabel, Row, foreign_label
from labeler.catalogue.label_files.csv import Columns, Rows
from labeler.catalogue.labels import reading
from labeler.catalogue.records import CandidateRecord
from labeler.errors import InputError
from labeler.evidence.importers.files import one_line, whole

MAX_CANDIDATES = 32
"""Labels of one feature, at most."""

ENCODINGS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""What a text is written in, by the mark before it. The longer of two alike comes first."""

UNMARKED = (
    (re.compile(rb"[^\0]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[^\0]"), "utf-32-be"),
    (re.compile(rb"[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\0[^\0]"), "utf-16-be"),
)
"""The same by its first letter where there is no mark: labels begin with a bracket or a column's name, which is ASCII."""

Check = Callable[[int], object]
"""Raises InputError where there is no such feature."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What is to be scored."""

    source: str
    """Where they come from: ``file:labels.csv``."""
    candidates: Mapping[int, Sequence[CandidateRecord]]
    """By feature; which contexts they were made from nobody knows."""
    empty: Sequence[str] = ()
    """The places with nothing where a label should be: ``labels.csv, line 3 (feature 12)``."""
    blank: frozenset[int] = frozenset()
    """The features of those places that have no other label."""
    unknown: Sequence[str] = ()
    """The places of labels whose feature is not here."""
    wrong: Sequence[str] = ()
    """Rows whose index is none, each with what stands there."""
    repeated: Sequence[str] = ()
    """The places of labels that say what another one of their feature does."""

    @property
    def left_out(self) -> dict[str, Sequence[str]]:
        """What is left out, by why, as a run's configuration names it."""
        return {
            "wrong_labels": self.wrong,
            "unknown_labels": self.unknown,
            "empty_labels": self.empty,
            "repeated_labels": self.repeated,
        }


def read(path: Path, check: Check, wanted: Container[int] | None = None) -> Labels:
    """The labels of a file, or of a folder of Neuronpedia's, its format found by looking; of all features or of some.

    Several labels for one feature are candidates to choose from; the same one twice counts once. That one,
    an empty label, one of a feature that is not here, and one whose index is none, are named and left out. Raises
    InputError, in one line that names the place, where the file is of no known format or damaged, a label far too long, or
    no feature of any label here.
    """
    return _gather(_labels(path), f"file:{one_line(path.name)}", check, wanted)


def of_mapping(labels: Mapping[int, str | Sequence[str]], check: Check, wanted: Container[int] | None = None) -> Labels:
    """The same of labels that a program has at hand: feature -> label, or several to choose from."""
    found = []
    for index, texts in labels.items():
        if wanted is None or index in wanted:  # a program's own slip, unlike a row of somebody's file
            check(index)
        for text in texts if isinstance(texts, list | tuple) else [texts]:
            if not isinstance(text, str):
                raise InputError(one_line(f"labels, feature {index}: {text!r} is no text"))
            found.append(foreign_label("labels", index, text))
    return _gather(found, "given", check, wanted)


def of_table(table: Any, check: Check, wanted: Container[int] | None = None) -> Labels:
    """The same of a table of pandas whose columns have the names that a file's may have; one that is its index counts too."""
    names = [*filter(None, table.index.names), *table.columns]
    if Columns.of(map(str, names)) is None:
        listed = one_line(reprlib.repr([*map(str, names)]))
        raise InputError(f"labels is a table with the columns {listed}; it needs one named index, and one named label")
    text = table.to_csv(index=any(table.index.names))
    return _gather(csv.labels(text, "labels", Rows()), "given", check, wanted)


def _gather(labels: Iterable[Row], source: str, check: Check, wanted: Container[int] | None) -> Labels:
    found: dict[int, list[CandidateRecord]] = {}
    empty: list[tuple[int, str]] = []
    repeated: list[str] = []
    unknown: list[str] = []
    wrong: list[str] = []
    first: InputError | None = None
    for label in labels:
        if isinstance(label, InputError):
            wrong.append(str(label))
            first = first or label
            continue
        if label is None or (wanted is not None and label.index not in wanted):
            continue
        place = one_line(f"{label.place} (feature {label.index})")
        try:
            check(label.index)
        except InputError as error:
            unknown.append(place)
            first = first or InputError(f"{one_line(label.place)}: {error}")
            continue
        if not label.label:
            empty.append((label.index, place))
            continue
        mine = found.setdefault(label.index, [])
        if any(_same(label, other) for other in mine):
            repeated.append(place)
            continue
        if len(mine) == MAX_CANDIDATES:
            raise InputError(
                one_line(
                    f"{label.place}: feature {label.index} has more than {MAX_CANDIDATES} labels, the most there are"
                )
            )
        mine.append(
            CandidateRecord(
                label=label.label,
                description=label.description,
                explainer=label.explainer or source,
                contexts=None,
            )
        )
    if first is not None and not found:
        raise first
    return Labels(
        source=source,
        candidates=found,
        empty=[place for _, place in empty],
        blank=frozenset(index for index, _ in empty) - found.keys(),
        unknown=unknown,
        wrong=wrong,
        repeated=repeated,
    )


def _same(label: ForeignLabel, other: CandidateRecord) -> bool:
    return (reading(label.label), reading(label.description)) == (reading(other.label), reading(other.description))


def _labels(path: Path) -> Iterator[Row]:
    files = neuronpedia.batches(path) if path.is_dir() else [path]
    if not files:
        raise InputError(one_line(f"{path}: a folder without Neuronpedia's explanations/batch-N.jsonl.gz"))
    rows = Rows()
    return chain.from_iterable(_of_file(file, rows) for file in files)


def _of_file(path: Path, rows: Rows) -> Iterator[Row]:
    text = _text(path)
    start = text[:4096].lstrip()
    if not start:
        raise InputError(one_line(f"{path}: empty; write {SHAPE}"))
    found: Iterator[Row] = (json_text if start[0] in "{[" else csv).labels(text, str(path), rows)
    return found


def _text(path: Path) -> str:
    """What a file says, in any Unicode encoding, which a mark before it tells, or its first letter."""
    data = whole(path)
    mark = next((mark for mark in ENCODINGS if data.startswith(mark)), b"")
    encoding = ENCODINGS.get(mark) or next((name for first, name in UNMARKED if first.match(data)), "utf-8")
    try:
        return data.removeprefix(mark).decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1 if encoding == "utf-8" else 1
        where = f", line {line}" if encoding == "utf-8" else ""
        raise InputError(one_line(f"{path}{where}: not {encoding.upper()}; save it as UTF-8")) from error
