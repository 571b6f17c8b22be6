"""Corpora on disk, as the tools that usually write them lay them out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

Rows = Sequence[dict[str, Any]]


def write_parquet(path: Path, rows: Rows) -> Path:
    """One Parquet file."""
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path, row_group_size=3)
    return path


def write_stream(path: Path, rows: Rows, rows_a_batch: int = 4) -> Path:
    """One Arrow file in the streaming format."""
    table = pyarrow.Table.from_pylist(list(rows))
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=rows_a_batch)
    return path


def save_dataset(folder: Path, *shards: Rows) -> Path:
    """A folder as ``Dataset.save_to_disk`` of the package ``datasets`` writes it, a file a shard."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(shards):05d}.arrow" for i in range(len(shards))]
    for name, rows in zip(names, shards, strict=True):
        write_stream(folder / name, rows)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_format_columns": None}
    (folder / "state.json").write_text(json.dumps(state, indent=2))
    (folder / "dataset_info.json").write_text(json.dumps({"features": {}}))
    return folder


def save_dataset_dict(folder: Path, **splits: Rows) -> Path:
    """A folder as ``DatasetDict.save_to_disk`` writes it."""
    folder.mkdir(parents=True)
    for name, rows in splits.items():
        save_dataset(folder / name, rows)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder
