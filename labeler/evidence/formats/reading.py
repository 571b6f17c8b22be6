"""Reading foreign files: plain or gzip, never more than a bound, with damage told in one line."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from labeler.errors import InputError

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


def parse(data: bytes, place: str) -> Any:
    """The value of a JSON text; InputError naming the place where it is none, or nested beyond what Python follows."""
    try:
        return json.loads(data.decode("utf-8-sig"))
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
