"""A few features' windows, which the writers of every format put into their own form."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

Windows = list[tuple[list[str], list[float]]]

FEATURES: dict[int, Windows] = {
    0: [
        (["The", " cat", " sat", " on", " the", " mat"], [0.0, 3.5, 0.0, 0.25, 0.0, 0.0]),
        ([" a", " cat", "!"], [0.0, 2.0, 0.0]),
    ],
    3: [([" nothing", " here"], [0.0, 0.0]), (["def", " f", "(", "x", "):"], [1.5, 0.0, 0.0, 4.0, 0.125])],
    12: [([" rain", " and", " wind"], [7.25, 0.0, 1.0])],
}
"""Tokens and activations by index; all values are exact in single precision."""

PROMOTED: list[tuple[str, float]] = [(" cats", 2.5), (" dog", 1.25), ("mouse", 0.5)]
SUPPRESSED: list[tuple[str, float]] = [(" the", -1.5), (",", -0.75)]


def changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The fields with some replaced, and those replaced by ``...`` left out."""
    return {key: copy.deepcopy(value) for key, value in {**fields, **changes}.items() if value is not ...}


def save_json(path: Path, value: object) -> Path:
    """Write a JSON file, compressed where its name says so."""
    return save_bytes(path, json.dumps(value).encode())


def save_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a JSON object a line, compressed where the name says so."""
    return save_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def save_bytes(path: Path, data: bytes) -> Path:
    """Write a file, compressed where its name says so, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    return path
