"""Formats of JSON files: one file, or a folder of them, each holding one feature or more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.importers.base import Foreign, ForeignFeature, Origin, tidy
from labeler.evidence.importers.files import Indices, Record, files_in, looks, one_line, parse, whole

ANY_JSON = re.compile(r".+\.json(\.gz)?")
_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True, kw_only=True)
class JsonFormat:
    """A format of JSON files, plain or gzip: how it is known, and how a file of it is read."""

    name: str
    marks: re.Pattern[bytes]
    """What only its files hold near their beginning."""
    origin: Callable[[Record], Origin]
    """What a file says of where it comes from."""
    read: Callable[[Record], Iterator[ForeignFeature]]
    """The features of a file as they stand there."""
    names: re.Pattern[str] = ANY_JSON
    """How its files are called in a folder."""

    def __call__(self, path: Path) -> Foreign | None:
        """The opened file or folder; None where its first file is of another format.

        A folder may also hold one numbered subfolder (``layer/neuron.json``); InputError where it holds several, because
        a dictionary is one layer.
        """
        folders = [files for files in _folders(path, self.names) if files]
        if not folders or not looks(folders[0][0], self.marks):
            return None
        if len(folders) > 1:
            layer = folders[0][0].parent
            raise InputError(one_line(f"{path}: holds {len(folders)} layers; give the folder of one, such as {layer}"))
        return _Opened(self, tuple(folders[0]), self.origin(_load(folders[0][0])))


@dataclass(frozen=True)
class _Opened:
    format: JsonFormat
    files: tuple[Path, ...]
    origin: Origin

    def features(self) -> Iterator[ForeignFeature]:
        """Every feature once, a file at a time in memory."""
        return tidy(self._as_they_stand())

    def _as_they_stand(self) -> Iterator[ForeignFeature]:
        met = Indices()
        for path in self.files:
            yield from self._of_file(path, met)

    def _of_file(self, path: Path, met: Indices) -> Iterator[ForeignFeature]:
        record = _load(path)
        origin = self.format.origin(record)
        if (origin.model, origin.hook) != (self.origin.model, self.origin.hook):
            raise record.wrong(
                f"of {origin.model or 'no model'} at {origin.hook or 'no hook'}, but {self.files[0].name} is of "
                f"{self.origin.model or 'no model'} at {self.origin.hook or 'no hook'}; import one dictionary at a time"
            )
        for feature in self.format.read(record):
            if not met.add(feature.index):
                raise record.wrong(f"feature {feature.index} for the second time; every feature must stand once")
            yield feature


def _folders(path: Path, names: re.Pattern[str]) -> list[list[Path]]:
    """The files to read: the path itself, those in it, or those in each of its numbered subfolders."""
    if not path.is_dir():
        return [[path]]
    return [files_in(path, names)] + [files_in(folder, names) for folder in files_in(path, _NUMBER)]


def _load(path: Path) -> Record:
    return Record.of(parse(whole(path), str(path)), str(path))
