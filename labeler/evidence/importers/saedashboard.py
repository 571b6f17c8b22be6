"""SAEDashboard: ``batch-N.json`` files as its Neuronpedia runner writes them, a run of features in each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labeler.evidence.importers.base import ForeignFeature, Origin
from labeler.evidence.importers.files import Record
from labeler.evidence.importers.json_files import JsonFormat


def _origin(batch: Record) -> Origin:
    """``n_tokens`` is prompts times tokens in a prompt; both stand in every feature, and are taken from the first."""
    first = next(batch.records("features"), Record(batch.place, {}))
    prompts, length = first.count("n_prompts_total"), first.count("n_tokens_in_prompt")
    return Origin(
        format=SAEDASHBOARD.name,
        model=batch.text("model_id"),
        hook="-".join(filter(None, [batch.text("layer"), batch.text("sae_set")])),
        corpus=first.text("dataset"),
        n_tokens=prompts * length if prompts and length else None,
    )


def _read(batch: Record) -> Iterator[ForeignFeature]:
    """Bins are not looked at: what a window shows is in its values."""
    for feature in batch.records("features"):
        yield ForeignFeature(
            index=feature.index("feature_index"),
            windows=tuple(activation.window("tokens", "values") for activation in feature.records("activations")),
            promoted=feature.weighted("pos_str", "pos_values"),
            suppressed=feature.weighted("neg_str", "neg_values", sign=-1),
            density=feature.share("frac_nonzero"),
        )


SAEDASHBOARD = JsonFormat(
    name="SAEDashboard",
    names=re.compile(r"batch-[0-9]+\.json(\.gz)?"),
    marks=re.compile(rb'"(sae_set|feature_index|bin_contains)"\s*:'),
    origin=_origin,
    read=_read,
)
