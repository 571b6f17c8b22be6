"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from labeler.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A UTF-8 file to write to, renamed to ``path`` at the end, and gone where anything went wrong before.

    Raises InputError where the path cannot be written, or is there and is no plain file.
    """
    try:
        # Through a link to the file itself: renaming over the link would leave the file as it was.
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write '{path}': it is not a plain file")
        scratch = target.with_name(f".labeler-{secrets.token_hex(8)}.partial")
        file = scratch.open("x", encoding="utf-8", newline="")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write '{path}': {_why(error)}") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
    except BaseException as error:
        scratch.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"cannot write '{path}': {_why(error)}") from error
        raise


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
