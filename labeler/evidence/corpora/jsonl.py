"""JSON Lines, compressed or not: field ``text``, optionally ``id``."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.corpora.base import Document, Kind

LONGEST_LINE = 1 << 26
"""Characters; more books than anyone puts on a line."""


def _files(path: Path) -> list[Path] | None:
    return [path] if path.name.endswith((".jsonl", ".jsonl.gz")) and path.is_file() else None


def _documents(path: Path) -> Iterator[Document]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(
                error, "msg", "nested too deeply" if isinstance(error, RecursionError) else "a huge number"
            )
            raise InputError(f"{path}, line {number}: not JSON ({reason}); every line must be an object") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise InputError(f"{path}, line {number}: no string field 'text'")
        name = row.get("id")
        yield _clean(f"{path.name}:{number}" if name is None else str(name)), [_clean(row["text"])]


def _lines(path: Path) -> Iterator[str]:
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", errors="replace") as file:
            number = 1
            while line := file.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    raise InputError(
                        f"{path}, line {number}: longer than {LONGEST_LINE:,} characters; split the document"
                    )
                yield line
                number += 1
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read '{path}': {error}") from error


def _clean(text: str) -> str:
    """Without the half characters that JSON can escape and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


JSONL = Kind(wanted="a .jsonl or .jsonl.gz with a 'text' field", files=_files, documents=_documents)
