"""Reading foreign files: bounded, with damage told in one line; their fields are asked for by name and type."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence.importers.base import MAX_INDEX, ForeignWindow
from labeler.evidence.importers.tokens import writable

MAX_FILE = 2 * 2**30
"""Bytes of a file that is held in memory as a whole, after decompression."""

MAX_LINE = 256 * 2**20
"""Bytes of a line, after decompression."""

_BLOCK = 1 << 20
_OPENING = 1 << 16
_MESSAGE = 500
_GZIP = b"\x1f\x8b"


def one_line(text: str) -> str:
    """A message that fits on a screen, without line breaks and other marks that do not print, whatever a file put into it."""
    shown = text if len(text) <= _MESSAGE else text[:_MESSAGE] + "…"
    return "".join(c if c.isprintable() else " " for c in shown)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed where it is gzip (by its content, whatever its name).

    Raises InputError where it cannot be read or is damaged.
    """
    try:
        if not path.is_file():
            raise InputError(one_line(f"{path}: not a file that can be read"))
        with path.open("rb") as raw:
            start = raw.peek(2)[:2]
            if not start and path.suffix == ".gz":
                raise InputError(one_line(f"{path}: empty; expected a gzip file"))
            if start == _GZIP:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield raw
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(one_line(f"{path}: missing or damaged ({reason}); fetch it again")) from error


def lines(path: Path, limit: float = MAX_FILE) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that hold anything, with their numbers from 1; InputError where one or all are too long."""
    total = 0
    with opened(path) as file:
        for number in itertools.count(1):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return
            total += len(line)
            if len(line) > MAX_LINE:
                raise InputError(
                    one_line(f"{path}, line {number}: longer than {_size(MAX_LINE)}, the most that is read")
                )
            if total > limit:
                raise InputError(one_line(f"{path}: larger than {_size(limit)}, the most that is read; split it"))
            if line.strip():
                yield number, line


def whole(path: Path) -> bytes:
    """All of a file; InputError where it is larger than MAX_FILE."""
    blocks, total = [], 0
    with opened(path) as file:
        while block := file.read(_BLOCK):
            total += len(block)
            if total > MAX_FILE:
                raise InputError(one_line(f"{path}: larger than {_size(MAX_FILE)}, the most that is read; split it"))
            blocks.append(block)
    return b"".join(blocks)


def parse(data: bytes, place: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text, its objects made by ``pairs`` where that is given.

    InputError naming the place where it is none, or nested beyond what Python follows.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=pairs)
    except UnicodeDecodeError as error:
        raise InputError(one_line(f"{place}: not UTF-8 (at byte {error.start})")) from error
    except RecursionError as error:
        raise InputError(one_line(f"{place}: JSON nested too deeply")) from error
    except json.JSONDecodeError as error:
        raise InputError(one_line(f"{place}: not JSON ({error.msg}, character {error.pos})")) from error
    except ValueError as error:
        raise InputError(one_line(f"{place}: not JSON (a number of too many digits)")) from error


def looks(path: Path, marks: re.Pattern[bytes]) -> bool:
    """Whether the first 64 KiB of a file hold a mark by which a format is known."""
    with opened(path) as file:
        return bool(marks.search(file.read(_OPENING)))


def files_in(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """The files of a folder whose whole name fits, 2 before 10; none where there is no such folder."""
    try:
        found = [path for path in folder.iterdir() if names.fullmatch(path.name)] if folder.is_dir() else []
    except OSError as error:
        raise InputError(one_line(f"{folder}: cannot be listed ({error.strerror})")) from error
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Digits compare as the number that they are: by how many there are, then one by one."""
    return [(len(part.lstrip("0")) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]


def _size(n: float) -> str:
    return f"{n / 2**30:g} GiB" if n >= 2**30 else f"{n / 2**20:g} MiB"


Numbers = NDArray[np.float64]

_LARGEST_COUNT = 2**53
_LARGEST = float(np.finfo(np.float32).max)
_UNFIT = "holds NaN, an infinite number or one beyond single precision; all must be finite"
_INDEX = re.compile("[0-9]{1,10}")
_PAGE = 1 << 16


@dataclass(frozen=True)
class Record:
    """A JSON object out of a file. Every accessor raises InputError where the field is of another kind."""

    place: str
    """Where it stands: ``batch-0.json, features[3]``."""
    fields: dict[str, Any]

    @classmethod
    def of(cls, value: Any, place: str) -> Record:
        """The record of a value; InputError where it is not an object."""
        if type(value) is not dict:
            raise InputError(one_line(f"{place}: {_kind(value)} where an object was expected"))
        return cls(place, value)

    def wrong(self, message: str) -> InputError:
        """An error that names this place."""
        return InputError(one_line(f"{self.place}: {message}"))

    def _bad(self, name: str, expected: str) -> InputError:
        return self.wrong(f"'{name}' is {_kind(self.fields.get(name))}, expected {expected}")

    def text(self, name: str) -> str:
        """A string, or a whole number as one; empty where there is none."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if type(value) not in (str, int):
            raise self._bad(name, "a string")
        return writable(str(value))

    def index(self, name: str) -> int:
        """A feature's index: 0 to MAX_INDEX, a whole number or its digits as a string."""
        value = self.fields.get(name)
        if type(value) is str and _INDEX.fullmatch(value):
            value = int(value)
        if type(value) is not int or not 0 <= value <= MAX_INDEX:
            raise self._bad(name, f"a feature's index, 0 to {MAX_INDEX}")
        return value

    def count(self, name: str) -> int | None:
        """A whole number that is not negative."""
        value = self.fields.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= _LARGEST_COUNT):
            raise self._bad(name, "a count")
        return value

    def number(self, name: str) -> float | None:
        """A number that single precision can hold, as are all numbers here."""
        value = self.fields.get(name)
        return None if value is None else float(self._array(name, [value])[0])

    def strength(self, name: str) -> float | None:
        """A number; 0 where it is negative."""
        value = self.number(name)
        return None if value is None else max(value, 0.0)

    def share(self, name: str) -> float | None:
        """A number from 0 to 1."""
        value = self.number(name)
        if value is not None and not 0 <= value <= 1:
            raise self._bad(name, "a share from 0 to 1")
        return value

    def numbers(self, name: str) -> Numbers:
        """A list of numbers; empty where there is none."""
        return self._array(name, self._list(name))

    def strings(self, name: str) -> list[str]:
        """A list of strings; empty where there is none."""
        values = self._list(name)
        if not set(map(type, values)) <= {str}:
            other = next(value for value in values if type(value) is not str)
            raise self.wrong(f"'{name}' holds {_kind(other)} where a string was expected")
        return values

    def records(self, name: str) -> Iterator[Record]:
        """A list of objects; empty where there is none."""
        for i, value in enumerate(self._list(name)):
            yield Record.of(value, f"{self.place}, {name}[{i}]")

    def groups(self, name: str) -> Iterator[Record]:
        """The objects of a list of lists of objects."""
        for i, value in enumerate(self._list(name)):
            yield from Record(self.place, {f"{name}[{i}]": value}).records(f"{name}[{i}]")

    def each(self, name: str, field: str) -> Iterator[Record]:
        """The values of a list, each as the one field of a record; none where there is no list."""
        for i, value in enumerate(self._list(name)):
            yield Record(f"{self.place}, {name}[{i}]", {field: value})

    def weighted(self, names: str, values: str, sign: int = 1) -> tuple[tuple[str, float], ...]:
        """Strings with their numbers out of two lists, the largest of ``sign`` times the number first."""
        return strongest(list(zip(self.strings(names), self._same_length(names, values), strict=True)), sign)

    def window(
        self, tokens: str, values: str, document: str | None = None, stratum: str | None = None
    ) -> ForeignWindow:
        """A window out of a list of tokens and a list of as many numbers, of which the negative ones become 0."""
        numbers = self._same_length(tokens, values, required=True)
        return ForeignWindow(
            tokens=tuple(map(sys.intern, self.strings(tokens))),  # equal tokens are one string in memory
            activations=np.where(numbers > 0, numbers, 0.0).astype(np.float32),
            document=document,
            stratum=stratum,
        )

    def _same_length(self, names: str, values: str, required: bool = False) -> Numbers:
        for name in (names, values) if required else ():
            if self.fields.get(name) is None:
                raise self._bad(name, "a list")
        words, numbers = self.strings(names), self.numbers(values)
        if len(words) != len(numbers):
            raise self.wrong(f"{len(words)} '{names}' but {len(numbers)} '{values}'; there must be one for each")
        return numbers

    def _list(self, name: str) -> list[Any]:
        value = self.fields.get(name)
        if value is None:
            return []
        if type(value) is not list:
            raise self._bad(name, "a list")
        return value

    def _array(self, name: str, values: list[Any]) -> Numbers:
        if not set(map(type, values)) <= {int, float}:
            other = next(value for value in values if type(value) not in (int, float))
            raise self.wrong(f"'{name}' holds {_kind(other)} where a number was expected")
        try:
            array = np.array(values, dtype=np.float64)
        except OverflowError as error:
            raise self.wrong(f"'{name}' {_UNFIT}") from error
        if not (np.abs(array) <= _LARGEST).all():
            raise self.wrong(f"'{name}' {_UNFIT}")
        return array


def strongest(pairs: list[tuple[Any, float]], sign: int = 1) -> tuple[tuple[Any, float], ...]:
    """Pairs by ``sign`` times their number, largest first, equal ones as they stood."""
    return tuple((name, float(value)) for name, value in sorted(pairs, key=lambda pair: -sign * pair[1]))


class Indices:
    """The indices met so far, a bit each: a few megabytes for tens of millions."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, index: int) -> bool:
        """Whether it is new."""
        page, bit = divmod(index, _PAGE)
        bits = self._pages.setdefault(page, bytearray(_PAGE // 8))
        new = not bits[bit // 8] & 1 << bit % 8
        bits[bit // 8] |= 1 << bit % 8
        return new


def _kind(value: Any) -> str:
    """What a value is, in words short enough for a message."""
    if value is None:
        return "missing"
    if isinstance(value, list | dict):
        return {list: "a list", dict: "an object"}[type(value)]
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:40] + "…"
