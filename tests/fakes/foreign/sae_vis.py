"""The features of a sae_vis page as this project's contexts.jsonl: what a user of another tool writes for himself.

A listed row is a context with its activations. Where a feature's list holds every row in which it fires at all, the other
rows of the page are proven silent; elsewhere nothing is known of them, and none is added.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

POSITIONS = 47
"""The last of the 48 was never ranked, so nothing is known of it."""


def convert(page: Path, target: Path, silent: int = 60) -> Path:
    """Write ``target`` from a folder with features.jsonl and rows48.jsonl."""
    rows = {row["row"]: row["tokens"] for row in map(json.loads, (page / "rows48.jsonl").read_text().splitlines())}
    with target.open("w", encoding="utf-8") as file:
        for feature in map(json.loads, (page / "features.jsonl").read_text().splitlines()):
            contexts = [
                {
                    "tokens": e["tokens"][:POSITIONS],
                    "activations": e["values"][:POSITIONS],
                    "document": f"row {e['row']}",
                }
                for e in feature["examples"]
            ]
            if feature["exhaustive_in_rows48"]:
                others = sorted(set(rows) - {example["row"] for example in feature["examples"]})
                for row in random.Random(feature["index"]).sample(others, silent):
                    zeros = [0.0] * len(rows[row][:POSITIONS])
                    contexts.append({"tokens": rows[row][:POSITIONS], "activations": zeros, "document": f"row {row}"})
            promoted = feature.get("pos_logits") or []
            file.write(json.dumps({"index": feature["index"], "contexts": contexts, "promoted": promoted}) + "\n")
    return target
