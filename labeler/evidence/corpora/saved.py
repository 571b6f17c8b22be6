"""A folder that ``datasets`` wrote with ``save_to_disk``: ``state.json`` and Arrow streams.

Of a ``DatasetDict`` (``dataset_dict.json`` and a folder a split) the only split is read; where there are several, the corpus
is the folder of one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labeler.errors import InputError
from labeler.evidence.corpora.arrow import check_pyarrow, documents
from labeler.evidence.corpora.base import Document, Kind

_LONGEST_JSON = 1 << 24


def _files(path: Path) -> list[Path] | None:
    if (path / "dataset_dict.json").is_file():
        path = _only_split(path)
    state = path / "state.json"
    if not state.is_file():
        return None
    check_pyarrow(f"the corpus '{path}'")
    listed = _load(state).get("_data_files")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{state}: no list '_data_files'; save the dataset anew with save_to_disk")
    return [_data_file(path, state, entry) for entry in listed]


def _only_split(path: Path) -> Path:
    splits = _load(path / "dataset_dict.json").get("splits")
    # Only what lies in the folder itself: a name may lead anywhere.
    there = [child.name for child in sorted(path.iterdir()) if isinstance(splits, list) and child.name in splits]
    if len(there) != 1:
        raise InputError(
            f"'{path}' holds the splits {', '.join(there) or 'none'}; give the folder of one, as {path}/train"
        )
    return path / there[0]


def _data_file(path: Path, state: Path, entry: object) -> Path:
    name = entry.get("filename") if isinstance(entry, dict) else None
    if not isinstance(name, str) or Path(name).name != name or not (path / name).is_file():
        raise InputError(f"{state}: lists {name!r}, which is no file in this folder")
    return path / name


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LONGEST_JSON:
            raise InputError(f"{path}: larger than such a file is; save the dataset anew with save_to_disk")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON; save the dataset anew with save_to_disk") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: not a JSON object; save the dataset anew with save_to_disk")
    return found


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as source, pyarrow.ipc.open_stream(source) as stream:
        yield stream.schema, stream


def _documents(path: Path) -> Iterator[Document]:
    return documents(path, _open)


SAVED = Kind(wanted="a folder that datasets.save_to_disk wrote", files=_files, documents=_documents)
