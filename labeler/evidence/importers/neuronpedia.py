"""Neuronpedia exports: a folder with ``activations/`` and mostly ``features/``, each of ``batch-N.jsonl`` or ``.jsonl.gz``.

The batches of the two are not the same features: Neuronpedia sorts ``features/`` by the index as a string (0, 1, 10, 100,
1000 …) and parts ``activations/`` by its number. So what the features' rows say is first put into a temporary table on
disk, and the activations are then read a batch at a time. All activations of a feature stand in one batch; where a second
one holds some, InputError names the feature. ``explanations/`` is not read.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labeler.errors import InputError
from labeler.evidence.importers.base import Foreign, ForeignFeature, ForeignWindow, Origin, tidy
from labeler.evidence.importers.files import Indices, Record, files_in, lines, one_line, parse, strongest

_BATCH = re.compile(r"batch-[0-9]+\.jsonl(\.gz)?")


class Neuronpedia:
    """A folder whose ``activations/`` or ``features/`` hold batches."""

    name = "Neuronpedia export"

    def __call__(self, path: Path) -> Foreign | None:
        """The opened export, or None; InputError where there are no activations."""
        activations, features = (files_in(path / part, _BATCH) for part in ("activations", "features"))
        if not activations and features:
            raise InputError(one_line(f"{path}: features/ without activations/batch-N.jsonl.gz; fetch those too"))
        return _Opened(tuple(activations), tuple(features), _origin(path, activations)) if activations else None


def _origin(path: Path, activations: list[Path]) -> Origin:
    """What ``source.jsonl`` says, where it is there, and the first activation's row."""
    source = path / "source.jsonl"
    about = next(_rows(source), Record("", {})) if source.is_file() else Record("", {})
    first = next((row for file in activations for row in _rows(file)), Record("", {}))
    prompts, length = about.count("num_prompts"), about.count("num_tokens_in_prompt")
    return Origin(
        format=Neuronpedia.name,
        model=about.text("modelId") or first.text("modelId"),
        hook=about.text("id") or first.text("layer"),
        corpus=about.text("dataset"),
        n_tokens=prompts * length if prompts and length else None,
    )


@dataclass(frozen=True)
class _Opened:
    activations: tuple[Path, ...]
    batches: tuple[Path, ...]
    origin: Origin

    def features(self) -> Iterator[ForeignFeature]:
        """Every feature once, a batch of activations at a time in memory; those without any come last."""
        return tidy(self._as_they_stand())

    def _as_they_stand(self) -> Iterator[ForeignFeature]:
        with closing(_Table()) as table:
            for file in self.batches:
                for row in _rows(file):
                    self._check_source(row)
                    table.add(_feature(row), row)
            met = Indices()
            for file in self.activations:
                for index, windows in sorted(self._batch(file).items()):
                    if not met.add(index):
                        raise Record(str(file), {}).wrong(
                            f"feature {index} stands in an earlier batch too; put them into one"
                        )
                    yield replace(table.get(index), windows=tuple(windows))
            yield from (feature for feature in table.all() if met.add(feature.index))

    def _batch(self, file: Path) -> dict[int, list[ForeignWindow]]:
        """The windows of a file by feature. Bins are not looked at: some are not those of the stored window."""
        found: dict[int, list[ForeignWindow]] = {}
        for row in _rows(file):
            self._check_source(row)
            found.setdefault(row.index("index"), []).append(row.window("tokens", "values"))
        return found

    def _check_source(self, row: Record) -> None:
        source = row.text("layer")
        if source and self.origin.hook and source != self.origin.hook:
            raise row.wrong(
                f"of source '{source}', but the export is of '{self.origin.hook}'; import one source at a time"
            )


def _rows(file: Path) -> Iterator[Record]:
    for number, line in lines(file):
        place = f"{file}, line {number}"
        yield Record.of(parse(line, place), place)


def _feature(row: Record) -> ForeignFeature:
    index = row.index("index")
    near = [other.index("index") for other in row.each("topkCosSimIndices", "index")]
    cosines = row.numbers("topkCosSimValues").tolist()
    if len(near) != len(cosines):
        raise row.wrong("'topkCosSimIndices' and 'topkCosSimValues' must have one length")
    return ForeignFeature(
        index=index,
        windows=(),
        promoted=row.weighted("pos_str", "pos_values"),
        suppressed=row.weighted("neg_str", "neg_values", sign=-1),
        density=row.share("frac_nonzero"),
        max_activation=row.strength("maxActApprox"),
        nearest=strongest([pair for pair in zip(near, cosines, strict=True) if pair[0] != index]),
    )


class _Table:
    """Features without their windows, on disk until closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE features (number INTEGER PRIMARY KEY, said TEXT)")

    def close(self) -> None:
        self._database.close()

    def add(self, feature: ForeignFeature, row: Record) -> None:
        """InputError naming the row where the feature is there already."""
        said = json.dumps({key: value for key, value in vars(feature).items() if key not in ("windows", "population")})
        try:
            self._database.execute("INSERT INTO features VALUES (?, ?)", (feature.index, said))
        except sqlite3.IntegrityError as error:
            raise row.wrong(f"feature {feature.index} for the second time; every feature must stand once") from error

    def get(self, index: int) -> ForeignFeature:
        """What was said of a feature; nothing but its index where nothing was."""
        row = self._database.execute("SELECT said FROM features WHERE number = ?", (index,)).fetchone()
        return _restored(row[0]) if row else ForeignFeature(index=index, windows=())

    def all(self) -> Iterator[ForeignFeature]:
        """All features by index."""
        for (said,) in self._database.execute("SELECT said FROM features ORDER BY number"):
            yield _restored(said)


def _restored(said: str) -> ForeignFeature:
    fields: dict[str, Any] = json.loads(said)
    for name in ("promoted", "suppressed", "nearest"):
        fields[name] = tuple(map(tuple, fields[name]))
    return ForeignFeature(windows=(), **fields)
