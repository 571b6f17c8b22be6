"""Small feature files of circuit-tracer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.foreign.sample import FEATURES, PROMOTED, SUPPRESSED, Windows, changed, save_json


def feature(index: int, windows: Windows, **changes: Any) -> dict[str, Any]:
    """One feature: its windows stand in one quantile, the first in another too."""
    examples = [
        {"tokens": tokens, "tokens_acts_list": values, "train_token_ind": 0, "is_repeated_datapoint": False}
        for tokens, values in windows
    ]
    fields = {
        "transcoder_id": "relu-4",
        "index": index,
        "examples_quantiles": [
            {"quantile_name": "Top Activations", "examples": examples},
            {"quantile_name": "Subsample Interval 0", "examples": examples[:1]},
        ],
        "top_logits": [token for token, _ in PROMOTED],
        "bottom_logits": [token for token, _ in SUPPRESSED],
        "act_min": 0.0,
        "act_max": 9.5,
        "quantile_values": [1.0],
        "histogram": [1.0, 0.5],
        "activation_frequency": 0.125,
    }
    return changed(fields, changes)


def save_circuit_tracer(folder: Path, features: dict[int, Windows] | None = None, suffix: str = ".json.gz") -> Path:
    """A folder with a file for each feature."""
    for index, windows in (FEATURES if features is None else features).items():
        save_json(folder / f"{index}{suffix}", feature(index, windows))
    return folder
