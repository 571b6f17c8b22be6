"""What is fitted on a label's own contexts is fitted on other documents than it is reported on."""

import numpy as np
import pytest

from labeler.features import SPLITS
from labeler.runs.config import RunConfig
from labeler.runs.measuring import look_up
from labeler.runs.scoring import cross_fitted, whole
from labeler.score.moments import moments
from labeler.score.variance_explained import fit
from tests.fakes.evidence import make_store

CONFIG = RunConfig(dictionary="toy", labels="given", simulators=("lexical",))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=800)


def test_each_half_is_brought_to_scale_by_the_line_of_the_other(store):
    sampled = whole(store, 1, SPLITS)
    frame = sampled.frame
    rng = np.random.default_rng(0)
    prediction = (0.2 * frame.truth + rng.random(frame.truth.shape) * frame.mask).astype(np.float32)
    found = cross_fitted(sampled, 1, prediction)
    explain = store.splits(1)[frame.contexts] == 0
    assert explain.any()
    assert not explain.all()
    for half, other in ((explain, ~explain), (~explain, explain)):
        totals = frame.weight[other] @ moments(frame.truth[other], prediction[other], frame.lengths[other])
        slope, intercept = fit(totals)
        expected = np.where(frame.mask[half], slope * prediction[half] + intercept, 0)
        np.testing.assert_allclose(found[half], expected, rtol=1e-5)


def test_where_a_half_has_no_line_there_is_none(store):
    sampled = whole(store, 1, SPLITS)
    assert cross_fitted(sampled, 1, np.zeros_like(sampled.frame.truth)) is None


def test_a_look_up_knows_no_token_from_the_half_that_it_is_scored_on(store, monkeypatch):
    fitted = []
    from labeler.simulate import lookup

    def fit_and_note(frame, ids):
        fitted.append(set(store.splits(1)[frame.contexts]))
        return real(frame, ids)

    real = lookup.fit
    monkeypatch.setattr(lookup, "fit", fit_and_note)
    everywhere = look_up(store, 1, whole(store, 1, SPLITS), CONFIG)
    assert fitted == [{0}, {1, 2}]
    assert everywhere.n_contexts == 800
    fitted.clear()
    on_score = look_up(store, 1, whole(store, 1, "score"), CONFIG)
    assert fitted == [{0}]
    assert everywhere.value == pytest.approx(on_score.value, abs=0.05)
