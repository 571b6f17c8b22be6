"""Small batches as SAEDashboard writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.foreign.sample import FEATURES, PROMOTED, SUPPRESSED, Windows, changed, save_json


def feature(index: int, windows: Windows, **changes: Any) -> dict[str, Any]:
    """One feature of a batch."""
    fields = {
        "feature_index": index,
        "neg_str": [token for token, _ in SUPPRESSED],
        "neg_values": [value for _, value in SUPPRESSED],
        "pos_str": [token for token, _ in PROMOTED],
        "pos_values": [value for _, value in PROMOTED],
        "frac_nonzero": 0.125,
        "n_prompts_total": 5000,
        "n_tokens_in_prompt": 128,
        "dataset": "openwebtext",
        "activations": [
            {
                "bin_min": -1,
                "bin_max": 9.5,
                "bin_contains": -1,
                "tokens": tokens,
                "values": values,
                "qualifying_token_index": 0,
                "dfa_values": [],
            }
            for tokens, values in windows
        ],
    }
    return changed(fields, changes)


def batch(features: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """What a file holds."""
    return changed({"model_id": "gpt2-small", "layer": 0, "sae_set": "res-jb", "features": features}, changes)


def save_saedashboard(folder: Path, features: dict[int, Windows] | None = None, suffix: str = ".json") -> Path:
    """A folder with one batch for each feature."""
    for number, (index, windows) in enumerate((FEATURES if features is None else features).items()):
        save_json(folder / f"batch-{number}{suffix}", batch([feature(index, windows)]))
    return folder
