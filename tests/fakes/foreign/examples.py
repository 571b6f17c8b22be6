"""A minimal example of every foreign format; a new reader joins the tests that all share by a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeler.errors import InputError
from labeler.evidence.importers.delphi import open_delphi
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign.circuit_tracer import save_circuit_tracer
from tests.fakes.foreign.contexts import save_contexts
from tests.fakes.foreign.delphi import save_delphi
from tests.fakes.foreign.invariants import check_features
from tests.fakes.foreign.neuron_records import save_neuron_records
from tests.fakes.foreign.neuronpedia import save_neuronpedia
from tests.fakes.foreign.saedashboard import save_saedashboard


def read_cache(path: Path) -> None:
    """Read all of a Delphi cache; only InputError may come out where it is damaged."""
    cache = open_delphi(path)
    if cache is None:
        raise InputError("no cache is left")
    assert len(cache.tokens(0, cache.n_sequences)) == cache.n_sequences
    for number, (first, last) in enumerate(cache.ranges):
        shard = cache.shard(number)
        assert np.isfinite(shard.value).all()
        assert (shard.value > 0).all()
        assert ((first <= shard.feature) & (shard.feature <= last)).all()


def read_foreign(path: Path) -> None:
    """Read all that is there and check it; only InputError may come out where it is damaged."""
    foreign = open_foreign(path)
    check_features(foreign.origin, list(foreign.features()))


@dataclass(frozen=True)
class Example:
    """A format: how a small example is written, and how it is read and checked."""

    name: str
    write: Callable[[Path], Path]
    """Writes into a folder; returns the path to open."""
    read: Callable[[Path], None] = read_foreign


EXAMPLES = [
    Example("Neuronpedia export", save_neuronpedia),
    Example("SAEDashboard", save_saedashboard),
    Example("neuron records (Bills et al.)", save_neuron_records),
    Example("circuit-tracer features", save_circuit_tracer),
    Example("contexts.jsonl", save_contexts),
    Example("Delphi cache", lambda folder: save_delphi(folder) and folder, read_cache),
]
