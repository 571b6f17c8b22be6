"""Calibrated variance explained."""

import numpy as np
import pytest

from labeler.metrics import explained, fit, moments, variance_explained
from tests.unit.metrics.corpora import corpus, systematic_draw


def totals(truth, prediction, of):
    return of.weight @ moments(truth, prediction, of.lengths)


def test_a_prediction_that_is_only_off_in_scale_explains_everything():
    of = corpus()
    found = totals(of.truth, 4 * of.truth + 2, of)
    slope, intercept = fit(found)
    assert (slope, intercept) == (pytest.approx(0.25), pytest.approx(-0.5))
    assert explained(found, slope, intercept) == pytest.approx(1)


def test_it_is_the_error_of_the_calibrated_prediction_on_other_contexts():
    select, score = corpus(seed=1), corpus(seed=2)
    slope, intercept = fit(totals(select.truth, select.prediction, select))
    on_tokens = np.arange(score.truth.shape[1]) < score.lengths[:, None]
    x, y = score.truth[on_tokens], score.prediction[on_tokens]
    expected = 1 - ((x - slope * y - intercept) ** 2).sum() / ((x - x.mean()) ** 2).sum()
    assert explained(totals(score.truth, score.prediction, score), slope, intercept) == pytest.approx(expected)


def test_on_the_contexts_of_the_fit_it_is_the_squared_correlation():
    of = corpus()
    found = totals(of.truth, of.prediction, of)
    on_tokens = np.arange(of.truth.shape[1]) < of.lengths[:, None]
    r = np.corrcoef(of.truth[on_tokens], of.prediction[on_tokens])[0, 1]
    assert explained(found, *fit(found)) == pytest.approx(r * r)


def test_a_bad_line_is_worse_than_the_mean_and_is_not_clipped():
    of = corpus()
    assert explained(totals(of.truth, of.prediction, of), -10.0, 5.0) < -1


def test_a_constant_side_is_undefined():
    of = corpus()
    assert fit(totals(of.truth, np.full_like(of.truth, 0.3), of)) is None
    assert explained(totals(np.zeros_like(of.truth), of.prediction, of), 1.0, 0.0) is None


def test_its_interval_holds_the_corpus_s_share_about_as_often_as_it_says():
    population = corpus(seed=3, n=4000, firing=0.1, alarm=0.05)
    line = fit(totals(population.truth, population.prediction, population))
    true = variance_explained(*population, line).value
    covered = []
    for seed in range(60):
        found = variance_explained(*systematic_draw(population, 120, np.random.default_rng(seed)), line, seed=seed)
        assert found.low <= found.value <= found.high
        covered.append(found.low <= true <= found.high)
    assert np.mean(covered) > 0.85


def test_without_a_line_or_a_varying_truth_it_is_undefined():
    of = corpus()
    assert variance_explained(*of, None).state == "undefined"
    silent = of.take(of.stratum == 0)
    assert variance_explained(*silent, (1.0, 0.0)).state == "undefined"
