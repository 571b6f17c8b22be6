"""A small ``contexts.jsonl``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.foreign.sample import FEATURES, PROMOTED, Windows, changed, save_rows


def line(index: int, windows: Windows, **changes: Any) -> dict[str, Any]:
    """One feature, whose contexts name their documents and strata, with the population of each."""
    fields = {
        "index": index,
        "contexts": [
            {
                "tokens": tokens,
                "activations": values,
                "document": f"d{at}",
                "stratum": "high" if max(values) else "none",
            }
            for at, (tokens, values) in enumerate(windows)
        ],
        "population": {"high": 12, "none": 900},
        "promoted": [[token, value] for token, value in PROMOTED],
        "density": 0.125,
        "max_activation": 9.5,
    }
    return changed(fields, changes)


def save_contexts(folder: Path, features: dict[int, Windows] | None = None, suffix: str = ".jsonl") -> Path:
    """The file."""
    rows = [line(index, windows) for index, windows in (FEATURES if features is None else features).items()]
    return save_rows(folder / f"contexts{suffix}", rows)
