"""Neuron records of Bills et al. (2023): one neuron a file, its strongest contexts and random ones of the corpus."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from labeler.evidence.importers.base import ForeignFeature, Origin
from labeler.evidence.importers.files import Record
from labeler.evidence.importers.json_files import JsonFormat


def _id(neuron: Record) -> Record:
    return Record.of(neuron.fields.get("neuron_id"), f"{neuron.place}, neuron_id")


def _origin(neuron: Record) -> Origin:
    return Origin(format=NEURON_RECORDS.name, hook=f"layer {_id(neuron).index('layer_index')}")


def _read(neuron: Record) -> Iterator[ForeignFeature]:
    """A neuron's activations may be negative (GELU); what is explained is what excites it, so they become 0."""
    records = itertools.chain(
        neuron.records("most_positive_activation_records"),
        neuron.records("random_sample"),
        neuron.groups("random_sample_by_quantile"),
    )
    yield ForeignFeature(
        index=_id(neuron).index("neuron_index"),
        windows=tuple(record.window("tokens", "activations") for record in records),
    )


NEURON_RECORDS = JsonFormat(
    name="neuron records (Bills et al.)",
    marks=re.compile(
        rb'"(most_positive_activation_records|random_sample|random_sample_by_quantile)"\s*:|"NeuronRecord"'
    ),
    origin=_origin,
    read=_read,
)
