"""The encoder's states of a pool: made a file at a time, shown as they come, and gone on with after any stop."""

import types

import numpy as np
import pytest

from labeler.evidence.collect import publish as finishing
from labeler.evidence.collect.publish import pool_states
from labeler.evidence.store.contexts import Rows
from labeler.evidence.store.storage import Tensors
from labeler.progress import silent
from tests.fakes.evidence import LENGTH, make_store


@pytest.fixture
def rows(tmp_path) -> Rows:
    return make_store(tmp_path, n=300).rows


@pytest.fixture
def encoded(monkeypatch):
    """An encoder that says of each context its length, 8 at once; how many it has encoded, and after how many it dies."""
    seen = types.SimpleNamespace(n=0, dies_at=10**9)

    def encoded(rows, wanted, length):
        for start in range(0, len(wanted), 8):
            part = wanted[start : start + 8]
            if seen.n >= seen.dies_at:
                raise KeyboardInterrupt
            seen.n += len(part)
            yield part, np.repeat(rows.column("ordinal", part).astype(np.float16)[:, None, None], length, axis=1)

    monkeypatch.setattr(finishing, "encoded", encoded)
    monkeypatch.setattr(finishing, "STATES", 16)
    return seen


def content(files):
    return [{name: tensors[name].tolist() for name in ("codes", "scale", "means")} for tensors in map(Tensors, files)]


def test_what_was_encoded_before_a_stop_is_not_encoded_again(rows, encoded, tmp_path):
    whole = content(pool_states(rows, LENGTH, tmp_path / "whole", (), silent))
    n = encoded.n
    encoded.n, stops = 0, 0
    while True:
        encoded.dies_at = encoded.n + 24
        try:
            files = pool_states(rows, LENGTH, tmp_path / "stopped", (), silent)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops > 2
    assert encoded.n <= n + 8 * stops  # half a file a stop
    assert content(files) == whole
    assert sorted((tmp_path / "stopped").iterdir()) == files


def test_every_context_has_its_own_states(rows, encoded, tmp_path):
    files = pool_states(rows, LENGTH, tmp_path / "states", (), silent)
    pool = np.flatnonzero(rows.pool_place >= 0)
    states = np.concatenate([Tensors(file)["codes"][:, :, 0] * Tensors(file)["scale"] for file in files])
    np.testing.assert_allclose(states[:, 0], rows.column("ordinal", pool), rtol=1e-3)


def test_every_batch_is_told(rows, encoded, tmp_path):
    told = []
    pool_states(rows, LENGTH, tmp_path / "states", (), lambda *what: told.append(what))
    n = int((rows.pool_place >= 0).sum())
    assert {(stage, total, unit) for stage, _, total, unit in told} == {("encoding contexts", n, "contexts")}
    counts = [done for _, done, _, _ in told]
    assert counts == sorted(counts)
    assert max(np.diff(counts)) <= 8
    assert counts[-1] == n
