"""The area under the precision-recall curve."""

import numpy as np
import pytest
from hypothesis import given, settings

from labeler.metrics import auprc
from tests.unit.metrics.corpora import corpora, corpus, systematic_draw


def by_definition(truth, prediction):
    """Precision at each threshold, weighted by the recall gained there."""
    positive = truth > 0
    area = held = 0.0
    for threshold in np.unique(prediction)[::-1]:
        called = prediction >= threshold
        recall = positive[called].sum() / positive.sum()
        area += (recall - held) * positive[called].mean()
        held = recall
    return area


def test_a_perfect_ranking_scores_one():
    of = corpus(n=30)
    assert auprc(of.truth, of.truth, of.lengths, of.weight, of.stratum).value == pytest.approx(1)


def test_a_constant_prediction_scores_the_share_of_positives():
    of = corpus(n=30)
    share = (of.truth > 0).sum() / of.lengths.sum()
    assert auprc(of.truth, np.ones_like(of.truth), of.lengths, of.weight, of.stratum).value == pytest.approx(share)


@settings(deadline=None)
@given(corpora(n_max=12))
def test_a_weight_is_a_number_of_repetitions(of):
    area = auprc(*of).value
    rows = np.repeat(np.arange(len(of.weight)), of.weight.astype(int))
    on_tokens = np.arange(of.truth.shape[1]) < of.lengths[rows, None]
    truth, prediction = of.truth[rows][on_tokens], of.prediction[rows][on_tokens]
    if 0 < (truth > 0).sum() < len(truth):
        assert area == pytest.approx(by_definition(truth, prediction))
    else:
        assert area is None


def test_padding_never_matters():
    of = corpus(n=30)
    padded = np.where(np.arange(of.truth.shape[1]) < of.lengths[:, None], of.prediction, np.nan)
    assert auprc(of.truth, padded, of.lengths, of.weight, of.stratum) == auprc(*of)


def test_without_a_negative_token_it_is_undefined():
    found = auprc(np.ones((2, 3)), np.eye(2, 3), np.array([3, 3]), np.ones(2), np.ones(2, dtype=int))
    assert (found.value, found.state) == (None, "undefined")
    assert "active on no token, or on all" in found.reason


def test_what_cannot_be_ranked_is_refused():
    of = corpus(n=5)
    with pytest.raises(ValueError, match="finite"):
        auprc(of.truth, np.full_like(of.truth, np.nan), of.lengths, of.weight, of.stratum)
    with pytest.raises(ValueError, match=r"\[n\]"):
        auprc(of.truth, of.prediction, of.lengths, of.weight[:-1], of.stratum)


def test_the_interval_holds_the_corpus_s_area_about_as_often_as_it_says():
    population = corpus(seed=3, n=4000, firing=0.1, alarm=0.05)
    true = auprc(*population).value
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drawn = systematic_draw(population, 120, rng)
        found = auprc(*drawn, drawn=True, seed=seed)
        assert found.low <= found.value <= found.high
        covered.append(found.low <= true <= found.high)
    assert np.mean(covered) > 0.85


def test_with_a_single_firing_context_there_is_no_interval_to_speak_of():
    of = corpus(n=50, firing=0.02)
    found = auprc(*of)
    assert (found.low, found.high, found.state) == (0.0, 1.0, "imprecise")
    assert "1 that fire and 49 that do not" in found.reason
