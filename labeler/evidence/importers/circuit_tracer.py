"""Feature files of circuit-tracer: one feature of a transcoder a file, its contexts by quantile of strength."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labeler.evidence.importers.base import ForeignFeature, Origin
from labeler.evidence.importers.files import Record
from labeler.evidence.importers.json_files import JsonFormat


def _origin(feature: Record) -> Origin:
    return Origin(format=CIRCUIT_TRACER.name, hook=feature.text("transcoder_id"))


def _read(feature: Record) -> Iterator[ForeignFeature]:
    """Promoted and suppressed tokens stand without their logits, strongest first: each has the value 0 here."""
    yield ForeignFeature(
        index=feature.index("index"),
        windows=tuple(
            example.window("tokens", "tokens_acts_list")
            for quantile in feature.records("examples_quantiles")
            for example in quantile.records("examples")
        ),
        promoted=tuple((token, 0.0) for token in feature.strings("top_logits")),
        suppressed=tuple((token, 0.0) for token in feature.strings("bottom_logits")),
        density=feature.share("activation_frequency"),
        max_activation=feature.strength("act_max"),
    )


CIRCUIT_TRACER = JsonFormat(
    name="circuit-tracer features",
    marks=re.compile(rb'"(examples_quantiles|tokens_acts_list)"\s*:'),
    origin=_origin,
    read=_read,
)
