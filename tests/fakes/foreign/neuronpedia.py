"""A small Neuronpedia export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.foreign.sample import FEATURES, PROMOTED, SUPPRESSED, Windows, changed, save_rows

MODEL, SOURCE = "gpt2-small", "6-res-jb"


def feature_row(index: int, **changes: Any) -> dict[str, Any]:
    """A row of ``features/``."""
    fields = {
        "modelId": MODEL,
        "layer": SOURCE,
        "index": str(index),
        "maxActApprox": 9.5,
        "hasVector": False,
        "vector": [],
        "hookName": "blocks.6.hook_resid_pre",
        "topkCosSimIndices": [index, 7, 5],
        "topkCosSimValues": [1.0, 0.25, 0.5],
        "neg_str": [token for token, _ in SUPPRESSED],
        "neg_values": [value for _, value in SUPPRESSED],
        "pos_str": [token for token, _ in PROMOTED],
        "pos_values": [value for _, value in PROMOTED],
        "frac_nonzero": 0.125,
        "freq_hist_data_bar_heights": [3, 1],
        "sourceSetName": "res-jb",
    }
    return changed(fields, changes)


def activation_rows(index: int, windows: Windows, **changes: Any) -> list[dict[str, Any]]:
    """The rows of ``activations/`` that one feature has."""
    return [
        changed(
            {
                "id": f"c{index}w{number}",
                "tokens": tokens,
                "values": values,
                "index": str(index),
                "layer": SOURCE,
                "modelId": MODEL,
                "maxValue": max(values),
                "maxValueTokenIndex": values.index(max(values)),
                "minValue": min(values),
                "binMin": -1,
                "binMax": 9.5,
                "binContains": -1,
            },
            changes,
        )
        for number, (tokens, values) in enumerate(windows)
    ]


def save_neuronpedia(folder: Path, features: dict[int, Windows] | None = None, suffix: str = ".jsonl.gz") -> Path:
    """An export of the features in one batch each of activations and features, with a ``source.jsonl``."""
    features = FEATURES if features is None else features
    about = {"modelId": MODEL, "id": SOURCE, "dataset": "openwebtext", "num_prompts": 24, "num_tokens_in_prompt": 128}
    save_rows(folder / "source.jsonl", [about])
    save_rows(folder / "features" / f"batch-0{suffix}", [feature_row(index) for index in features])
    rows = [row for index, windows in features.items() for row in activation_rows(index, windows)]
    save_rows(folder / "activations" / f"batch-0{suffix}", rows)
    save_rows(folder / "explanations" / f"batch-0{suffix}", [{"index": "0", "description": "cats"}])
    return folder
