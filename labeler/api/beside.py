"""What there is beside the label of an exported row: where it comes from, and the labels that do not stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeler.api.dictionary import Dictionary
from labeler.api.tools import open_catalogue


def considered(dictionary: Dictionary, row: Mapping[str, Any]) -> list[tuple[int | None, str, str]]:
    """The explanations beside the label of a row: the half of the feature's documents that each was made of
    (0 or 1; None where of all, or nobody can say), its label (empty where unclear), and its explainer."""
    found = dictionary.run(row["provenance"]["run"]).candidates(row["index"])
    known = row["provenance"]["evidence"] == dictionary.store.manifest.fingerprint
    halves = [dictionary.store.half_of(row["index"], one.contexts or ()) if known else None for one in found]
    listed = [(half, one.label, one.explainer) for half, one in zip(halves, found, strict=True)]
    own = (None, row["label"] or "", row["explainer"] or "")
    if own in listed:
        listed.remove(own)
    return listed


def labels_of_other_runs(dictionary: Dictionary, row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(run, label, explainer) of a feature's labels that read differently from that of a row, newest first."""
    found = open_catalogue(dictionary._settings).other_labels(dictionary.name, row["index"], row["provenance"]["run"])
    return [(run, label, explainer) for run, label, _, explainer in found]


def source_of(dictionary: Dictionary, row: Mapping[str, Any]) -> str | None:
    """Where the label of a row comes from: ``file:NAME``, ``given``, ``imported``; None for one made here."""
    made = open_catalogue(dictionary._settings).run(row["provenance"]["label_run"]).config.get("labelling", {})
    source: str | None = made.get("labels")
    return source
