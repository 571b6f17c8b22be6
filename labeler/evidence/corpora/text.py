"""Plain text: documents parted by blank lines, or one a line where there are none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.corpora.base import Document, Kind

_AT_ONCE = 65_536
"""Characters of a line that are read at once: a file may be a single line."""


def _files(path: Path) -> list[Path] | None:
    return [path] if path.suffix == ".txt" and path.is_file() else None


def _documents(path: Path) -> Iterator[Document]:
    blocks = _has_blank_lines(path)
    for number, parts in itertools.groupby(_numbered(path, blocks), key=lambda part: part[0]):
        yield f"{path.name}:{number}", (text for _, text in parts)


def _numbered(path: Path, blocks: bool) -> Iterator[tuple[int, str]]:
    """Pieces of text, each with the number of its document from 1 on: of its block, or else of its line."""
    number, inside = 0, False  # inside a document
    for starts, piece in _pieces(path):
        blank = not piece.strip()
        if starts and (blank or not blocks):
            inside = False
        if blank and not inside:
            continue
        if not inside:
            number, inside = number + 1, True
        elif starts:
            yield number, "\n"
        yield number, piece.removesuffix("\n")


def _has_blank_lines(path: Path) -> bool:
    """Whether a blank line stands between two that are not; as much of the file is read as it takes to tell."""
    text = gap = False
    for starts, piece in _pieces(path):
        if piece.strip():
            if gap:
                return True
            text = True
        elif starts:
            gap = text
    return False


def _pieces(path: Path) -> Iterator[tuple[bool, str]]:
    """The file's lines, long ones in pieces; whether each piece starts its line, and its text."""
    starts = True
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            while piece := file.readline(_AT_ONCE):
                yield starts, piece
                starts = piece.endswith("\n")
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error


TEXT = Kind(wanted="a .txt", files=_files, documents=_documents)
