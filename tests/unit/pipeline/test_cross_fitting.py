"""What is fitted on a label's own contexts is fitted on other documents than it is reported on."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from labeler.features import SPLITS
from labeler.metrics.moments import moments
from labeler.metrics.variance_explained import fit
from labeler.pipeline.config import RunConfig
from labeler.pipeline.evaluation import look_up
from labeler.pipeline.scoring import again, cross_fitted, point, score, splits_of, whole
from labeler.simulators import lookup
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

    def fit_and_note(frame, ids):
        fitted.append(set(store.splits(1)[frame.contexts]))
        return real(frame, ids)

    real = lookup.fit
    monkeypatch.setattr(lookup, "fit", fit_and_note)
    everywhere, _ = look_up(store, 1, whole(store, 1, SPLITS), CONFIG)
    assert fitted == [{0}, {1, 2}]
    assert everywhere.n_contexts == 800
    fitted.clear()
    on_score, _ = look_up(store, 1, whole(store, 1, "score"), CONFIG)
    assert fitted == [{0}]
    assert everywhere.value == pytest.approx(on_score.value, abs=0.05)


class Paid:
    """A simulator that costs, and sees half of what is there."""

    name, source, prompt, free = "sparse", "openai:m", "sparse@1", False

    def __init__(self, sampled):
        frame, self.counts = sampled.frame, {"answers": 1}
        self._truth = dict(zip(frame.contexts.tolist(), frame.truth, strict=True))

    async def predict(self, texts, material):
        return [np.stack([self._truth[row] * (row % 2) for row in material.at.tolist()]) for _ in texts]


def test_a_paid_simulator_draws_from_all_splits_and_can_be_drawn_again(store):
    everything = whole(store, 1, SPLITS)
    config = replace(CONFIG, contexts=80, guided=False)
    sampled, _, (headline, *_) = asyncio.run(score(Paid(everything), "the", 1, everything, None, config))
    assert headline.details["splits"] == list(SPLITS)
    assert set(store.splits(1)[sampled.frame.contexts]) == {0, 1, 2}
    again_drawn = again(whole(store, 1, splits_of(headline)), headline)
    np.testing.assert_array_equal(again_drawn.frame.contexts, sampled.frame.contexts)
    np.testing.assert_allclose(again_drawn.frame.weight, sampled.frame.weight)
    (prediction,) = asyncio.run(Paid(everything).predict(["the"], everything.material))
    assert headline.low <= point(everything, prediction) <= headline.high
