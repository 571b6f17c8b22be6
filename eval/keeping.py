"""Rows that are kept as they are made, so that what was stopped goes on: JSON lines under a line of what made them."""

from __future__ import annotations

import fcntl
import json
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from labeler.errors import InputError

Key = tuple[str | int, ...]


class Kept:
    """A file of rows, each under a key; open while the context lasts, and by one process at a time.

    A row is on the disk before ``add`` returns. Half a line at the end, as a kill leaves it, is dropped. Raises InputError
    where the file is another's: of another configuration, no such file, or open elsewhere.
    """

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        self.path = path
        self._configuration = json.loads(json.dumps(configuration))
        self._rows: dict[Key, dict[str, Any]] = {}
        self._file: BinaryIO

    def __enter__(self) -> Kept:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        except OSError as error:
            raise InputError(f"cannot write '{self.path}': {error.strerror}") from error
        try:
            self._take_up()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Key) -> dict[str, Any] | None:
        """The row of a key; None where it is still to be made."""
        return self._rows.get(key)

    def add(self, key: Key, row: Mapping[str, Any]) -> None:
        """Keep a row."""
        self._write(_line({"key": list(key), **row}))
        self._rows[key] = dict(row)

    def _take_up(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"another process is writing to '{self.path}'; wait for it, or name another file"
            ) from error
        self._file.seek(0)
        held = self._file.read()
        whole = held[: held.rfind(b"\n") + 1]
        stated = _line({"configuration": self._configuration})
        if not whole:
            if not stated.startswith(held):
                raise InputError(f"'{self.path}' holds no rows of this kind; name another file")
            self._file.truncate(0)
            self._write(stated)
            return
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                row = json.loads(line)
                if number == 1:
                    self._check(row["configuration"])
                else:
                    self._rows[tuple(row.pop("key"))] = row
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(f"'{self.path}', line {number}: no row of this kind; name another file") from error
        self._file.truncate(len(whole))

    def _check(self, stated: Mapping[str, Any]) -> None:
        names = {**stated, **self._configuration}
        different = [
            f"{name} {_shown(stated.get(name))}, now {_shown(self._configuration.get(name))}"
            for name in names
            if stated.get(name) != self._configuration.get(name)
        ]
        if different:
            raise InputError(
                f"'{self.path}' holds rows of another configuration ({'; '.join(different)}); name another file, or delete it"
            )

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())


def _line(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=True) + "\n").encode()


def _shown(value: object) -> str:
    return reprlib.repr(value)
