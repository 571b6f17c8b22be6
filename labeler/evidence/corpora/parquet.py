"""A Parquet file, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labeler.evidence.corpora.arrow import ROWS, check_pyarrow, documents
from labeler.evidence.corpora.base import Document, Kind


def _files(path: Path) -> list[Path] | None:
    found = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []
    found = [file for file in found if file.is_file()]
    if found:
        check_pyarrow(f"the corpus '{path}'")
    return found or None


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        yield schema, file.iter_batches(ROWS, columns=[name for name in ("text", "id") if name in schema.names])


def _documents(path: Path) -> Iterator[Document]:
    return documents(path, _open)


PARQUET = Kind(wanted="a .parquet or a folder of them with a column 'text'", files=_files, documents=_documents)
