"""Parsers of untrusted files, and what they may stumble over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeler.errors import InputError


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turns whatever a parser raises into an InputError that names the file and what it should have been.

    A hostile file can bring a parser to raise nearly anything; only the parser's call belongs inside.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}") from error
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
        raise InputError(f"{path}: not {expected} ({reason})") from error
