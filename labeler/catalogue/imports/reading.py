"""A file of labels, whatever its format, as candidates by feature."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from labeler.catalogue.imports import csv, jsonl, neuronpedia
from labeler.catalogue.imports.base import ForeignLabel, foreign_label
from labeler.catalogue.records import CandidateRecord
from labeler.catalogue.sharing import reading
from labeler.errors import InputError
from labeler.evidence.formats.fields import Record
from labeler.evidence.formats.reading import files_in, lines, one_line, opened, parse

MAX_CANDIDATES = 32
"""Labels of one feature, at most."""

Check = Callable[[int], object]
"""Raises InputError where there is no such feature."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What is to be scored."""

    source: str
    """Where they come from: ``file:labels.csv``."""
    candidates: Mapping[int, Sequence[CandidateRecord]]
    """By feature; which contexts they were made from nobody knows."""


def read(path: Path, check: Check, wanted: Container[int] | None = None) -> Labels:
    """The labels of a file, or of a folder of Neuronpedia's, its format found by looking; of all features or of some.

    Several labels for one feature are candidates to choose from; the same one twice counts once. Raises InputError, in
    one line that names the place, where the file is of no known format or damaged, a label empty or far too long, or a
    feature not here.
    """
    source = f"file:{one_line(path.name)}"
    return Labels(source=source, candidates=_gather(_labels(path), source, check, wanted))


def of_mapping(labels: Mapping[int, str | Sequence[str]], check: Check, wanted: Container[int] | None = None) -> Labels:
    """The same of labels that a program has at hand: feature -> label, or several to choose from."""
    found = (
        foreign_label("labels", index, text)
        for index, texts in labels.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    )
    return Labels(source="given", candidates=_gather(found, "given", check, wanted))


def _gather(
    labels: Iterable[ForeignLabel | None], source: str, check: Check, wanted: Container[int] | None
) -> dict[int, list[CandidateRecord]]:
    found: dict[int, list[CandidateRecord]] = {}
    for label in labels:
        if label is None or (wanted is not None and label.index not in wanted):
            continue
        try:
            check(label.index)
        except InputError as error:
            raise InputError(f"{one_line(label.place)}: {error}") from error
        mine = found.setdefault(label.index, [])
        if any(_same(label, other) for other in mine):
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
    return found


def _same(label: ForeignLabel, other: CandidateRecord) -> bool:
    return (reading(label.label), reading(label.description)) == (reading(other.label), reading(other.description))


def _labels(path: Path) -> Iterator[ForeignLabel | None]:
    if path.is_dir():
        files = files_in(path / "explanations", neuronpedia.BATCH) or files_in(path, neuronpedia.BATCH)
        if not files:
            raise InputError(one_line(f"{path}: a folder without Neuronpedia's explanations/batch-N.jsonl.gz"))
        return neuronpedia.labels(chain.from_iterable(map(_rows, files)))
    with opened(path) as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise InputError(one_line(f"{path}: empty; write {csv.SHAPE}"))
    if not start.startswith(b"{"):
        return csv.labels(path)
    first = next(_rows(path))
    return (neuronpedia if neuronpedia.looks(first) else jsonl).labels(_rows(path))


def _rows(path: Path) -> Iterator[Record]:
    for number, line in lines(path):
        place = f"{path}, line {number}"
        yield Record.of(parse(line, place), place)
