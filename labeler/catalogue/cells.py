"""A catalogue as a table, for spreadsheets and for pandas: one row a feature, the same columns wherever it goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Cells = dict[str, Any]
"""A row by the names of its columns; what is unknown is None, or left out."""

OF_HEADLINE = {
    "score": "value",
    "low": "low",
    "high": "high",
    "null_percentile": "null_percentile",
    "n_contexts": "n_contexts",
    "sampling": "sampling",
    "score_state": "state",
    "score_reason": "reason",
}
"""Columns of the headline score, each with the field that it shows."""

OF_SCORE = ("value", "low", "high", "null_percentile", "n_contexts", "state", "reason")
"""Fields of every score, each a column behind its key (``key.value``)."""

_BEFORE = (
    *("index", "state", "reason", "label", "description", "explainer", "confidence", "headline"),
    *OF_HEADLINE,
)
_AFTER = ("beats_lookup", "against_lookup", "same_label", "density", "max_activation", "usd", "run")

NUMBERS = ("confidence", "score", "low", "high", "null_percentile", "n_contexts", "density", "max_activation", "usd")
"""Columns of numbers that may be missing, whether of the headline, of a score behind its key, or of the feature."""


def columns(keys: Iterable[str]) -> list[str]:
    """The names of a table's columns, where its rows have scores of these keys."""
    return [*_BEFORE, *(f"{key}.{name}" for key in sorted(keys) for name in OF_SCORE), *_AFTER]


def is_number(column: str, keys: Iterable[str]) -> bool:
    """Whether a column holds numbers, or nothing."""
    of_scores = {f"{key}.{name}" for key in keys for name in ("value", *NUMBERS) if name in OF_SCORE}
    return column in NUMBERS or column in of_scores


def cells(row: Mapping[str, Any]) -> Cells:
    """An exported row (``labeler.catalogue.rows``) by the columns that it fills."""
    statistics, cost, provenance, controls, scores = (
        row.get(part) or {} for part in ("statistics", "cost", "provenance", "controls", "scores")
    )
    headline = scores.get(row.get("headline")) or {}
    return {
        **{name: row.get(name) for name in _BEFORE if name not in OF_HEADLINE},
        **{name: headline.get(field) for name, field in OF_HEADLINE.items()},
        **{f"{key}.{field}": score.get(field) for key, score in scores.items() for field in OF_SCORE},
        "beats_lookup": controls.get("beats_lookup"),
        "against_lookup": controls.get("against_lookup"),
        "same_label": " ".join(map(str, row.get("same_label") or [])),
        "density": statistics.get("density"),
        "max_activation": statistics.get("max_activation"),
        "usd": cost.get("usd"),
        "run": provenance.get("run"),
    }
