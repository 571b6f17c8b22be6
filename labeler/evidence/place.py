"""The place of a store among others: what it may be called, and who may make it."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeler.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """The name itself; InputError where it could not be a folder's."""
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot name a dictionary; use letters, digits, '.', '_' and '-', at most 100")
    return name


@contextmanager
def alone(dictionaries: Path, name: str) -> Iterator[None]:
    """Keeps a second call for the same name out; the system frees the lock of a call that was killed."""
    dictionaries.mkdir(parents=True, exist_ok=True)
    path = dictionaries / f".{name}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before removes its lock when it is done: what was opened just then is nobody's lock any more.
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise OSError
        except OSError:
            raise InputError(
                f"'{name}' is being made by another process; wait for it, or choose another `name`"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
