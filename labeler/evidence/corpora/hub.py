"""A data set on the Hugging Face hub: ``org/name[:configuration][@revision]``, its training split, streamed.

It takes the library ``datasets``. What comes is other people's: a row's ``text`` and, where there is one, its ``id``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from labeler.errors import InputError, LabelerError, MissingExtraError
from labeler.evidence.corpora.base import Document

HEAD = 64
"""Rows that tell one data set, or one version of it, from another."""

_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?::([\w.+-]+))?(?:@([\w./-]+))?")
_FILES = (".txt", ".jsonl", ".jsonl.gz", ".parquet", ".json", ".csv", ".arrow")


def is_name(corpus: str) -> bool:
    """Whether this may be the name of a data set; a file's that is not there is none."""
    return _NAME.fullmatch(corpus) is not None and not corpus.endswith(_FILES)


def documents(corpus: str) -> Iterator[Document]:
    """A document a row, in the data set's order. Its first row is read at once.

    Raises InputError where there is no such data set, or a row has no text, and LabelerError where it stops coming
    behind the first row: what was collected by then is worth keeping.
    """
    rows = _rows(corpus)
    try:
        first = next(rows, None)
    except Exception as error:  # the hub's errors, those of the line, and those of the library have no common base
        raise InputError(f"cannot read the data set '{corpus}' on the Hugging Face hub: {_why(error)}") from error
    if first is None:
        raise InputError(f"the data set '{corpus}' on the Hugging Face hub has no rows")
    return _documents(corpus, first, rows)


def fingerprint(corpus: str) -> str:
    """What identifies the data set across calls: its name, and the SHA-256 of its first rows."""
    digest = hashlib.sha256()
    for name, parts in islice(documents(corpus), HEAD):
        digest.update(f"{name}\n{''.join(parts)}\n".encode("utf-8", "replace"))
    return f"{corpus} {digest.hexdigest()}"


def _rows(corpus: str) -> Iterator[Mapping[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError(
            f"there is no file or folder '{corpus}'; to read the data set of that name on the Hugging Face hub",
            "datasets",
        ) from error
    name, configuration, revision = _NAME.fullmatch(corpus).groups()  # type: ignore[union-attr]
    try:
        found = load_dataset(name, configuration, split="train", revision=revision, streaming=True)
    except Exception as error:
        raise InputError(f"cannot read the data set '{corpus}' on the Hugging Face hub: {_why(error)}") from error
    return iter(found)


def _documents(corpus: str, first: Mapping[str, Any], rest: Iterator[Mapping[str, Any]]) -> Iterator[Document]:
    row: Mapping[str, Any] | None = first
    number = 1
    while row is not None:
        text, name = row.get("text"), row.get("id")
        if not isinstance(text, str):
            columns = ", ".join(map(str, row)) or "none"
            raise InputError(
                f"the data set '{corpus}', row {number}: no column 'text' of strings; there are: {columns}"
            )
        yield f"{corpus}:{number}" if name is None else str(name), [text]
        number += 1
        try:
            row = next(rest, None)
        except Exception as error:
            raise LabelerError(
                f"the data set '{corpus}' stopped coming at row {number}: {_why(error)}; the same call goes on from here"
            ) from error


def _why(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
