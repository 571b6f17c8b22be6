"""Small neuron records as Bills et al. published them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.foreign.sample import FEATURES, Windows, changed, save_json


def record(index: int, windows: Windows, layer: int = 5, **changes: Any) -> dict[str, Any]:
    """One neuron: its windows stand as the strongest, the first as a random one too, the last in a quantile too."""
    found = [
        {"dataclass_name": "ActivationRecord", "tokens": tokens, "activations": values} for tokens, values in windows
    ]
    fields = {
        "dataclass_name": "NeuronRecord",
        "neuron_id": {"dataclass_name": "NeuronId", "layer_index": layer, "neuron_index": index},
        "random_sample": found[:1],
        "random_sample_by_quantile": [[], found[-1:]],
        "quantile_boundaries": [0.5, 1.5],
        "mean": -0.05,
        "kurtosis": 3.0,
        "most_positive_activation_records": found,
    }
    return changed(fields, changes)


def save_neuron_records(folder: Path, features: dict[int, Windows] | None = None, layer: int = 5) -> Path:
    """A folder ``layer/neuron.json`` of one layer."""
    for index, windows in (FEATURES if features is None else features).items():
        save_json(folder / str(layer) / f"{index}.json", record(index, windows, layer))
    return folder
