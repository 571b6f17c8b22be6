"""Whether estimates from a sample speak for the corpus: bias, coverage, what was not drawn. Seeds are fixed."""

import dataclasses

import numpy as np
import pytest

from labeler.metrics import moments, pearson, replicate, resampling_classes, simulation
from tests.unit.metrics.corpora import corpus, systematic_draw


def correlation(of):
    return float(pearson(of.weight @ moments(of.truth, of.prediction, of.lengths)))


def stratified_frame(of, rng, silent=200, firing=15):
    """All there is of small strata, a uniform sample of the others, weighted by population over sample."""
    rows, weight = [], []
    for stratum in np.unique(of.stratum):
        members = np.flatnonzero(of.stratum == stratum)
        taken = min(len(members), silent if stratum == 0 else firing)
        rows.append(rng.choice(members, taken, replace=False))
        weight.append(np.full(taken, len(members) / taken))
    return of.take(np.concatenate(rows), np.concatenate(weight))


def test_the_average_over_draws_is_the_value_of_the_frame():
    rng = np.random.default_rng(0)
    of = corpus(seed=5, n=800, firing=0.3)
    draws = [systematic_draw(of, 80, rng) for _ in range(400)]
    assert {len(draw.weight) for draw in draws} <= {79, 80, 81}
    totals = np.array([draw.weight @ moments(draw.truth, draw.prediction, draw.lengths) for draw in draws])
    assert totals.mean(0) == pytest.approx(moments(of.truth, of.prediction, of.lengths).sum(0), rel=0.02)
    assert pearson(totals).mean() == pytest.approx(correlation(of), abs=0.02)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_intervals_of_draws_from_a_frame_cover_the_corpus(noise):
    rng = np.random.default_rng(1)
    of = corpus(seed=1, n=20_000, firing=0.1, alarm=0.1, noise=noise)
    value = correlation(of)
    estimates = [simulation(*systematic_draw(stratified_frame(of, rng, 600), 80, rng), seed=i) for i in range(100)]
    covered = [estimate.low <= value <= estimate.high for estimate in estimates]
    assert np.mean(covered) >= 0.88
    spread = np.std([estimate.value for estimate in estimates])
    assert np.mean([estimate.standard_error for estimate in estimates]) == pytest.approx(spread, rel=0.3)


def test_intervals_of_full_frames_cover_the_corpus():
    rng = np.random.default_rng(2)
    of = corpus(seed=2, n=20_000, firing=0.1, alarm=0.1)
    value = correlation(of)
    estimates = [simulation(*stratified_frame(of, rng), seed=i) for i in range(100)]
    assert np.mean([estimate.low <= value <= estimate.high for estimate in estimates]) >= 0.88


def test_a_uniform_sample_is_worth_its_own_number_of_contexts():
    of = corpus(seed=3, n=1500)
    uniform = dataclasses.replace(of, weight=np.full(1500, 20.0), stratum=np.ones(1500, dtype=np.int64))
    assert simulation(*uniform).uniform_equivalent_n == pytest.approx(1500, rel=0.15)


def test_a_draw_by_size_is_worth_more_contexts_than_it_has():
    rng = np.random.default_rng(4)
    of = corpus(seed=4, n=4000, firing=0.05, alarm=0.02)
    worth = [simulation(*systematic_draw(of, 80, rng)).uniform_equivalent_n for _ in range(10)]
    assert np.median(worth) > 160


def quiet_draw(**changes):
    """Forty firing contexts, and thirty silent ones that stand for 3,000, without a false alarm."""
    of = corpus(seed=6, n=100, firing=0.4, alarm=0.0, **changes)
    rows = np.r_[np.arange(40), np.arange(60, 90)]
    return of.take(rows, np.where(of.stratum[rows] == 0, 100.0, 1.0))


def test_false_alarms_that_were_not_drawn_widen_the_low_end():
    of = quiet_draw()
    estimate = simulation(*of)
    # The rule of three: with 97.5 % confidence fewer than 3.7 of thirty are given the prediction of a typical hit.
    found = moments(of.truth, of.prediction, of.lengths)
    typical = found[(of.stratum > 0) & (found[:, 4] > 0)].mean(0)
    supposed = of.weight @ found
    supposed[[2, 4]] += 370 * typical[[2, 4]]
    assert estimate.low == pytest.approx(float(pearson(supposed)), abs=0.03)
    assert estimate.state == "imprecise"
    assert "a false alarm may hide" in estimate.reason
    mirrored = simulation(*dataclasses.replace(of, prediction=-of.prediction))
    assert mirrored.high > mirrored.value + 0.1


def test_an_alarm_that_was_looked_for_and_found_does_not_exclude_another():
    of = quiet_draw()
    of.prediction[-1, 0] = of.prediction.max()
    of.weight[-1] = 1.0  # a context that the draw was sure to take: it stands for itself
    estimate = simulation(*of)
    assert "a false alarm may hide" in estimate.reason
    assert estimate.low < estimate.value - 0.2


def test_nothing_hides_where_every_silent_context_was_looked_at():
    of = quiet_draw()
    all_of_them = simulation(*dataclasses.replace(of, weight=np.ones(len(of.weight))))
    assert all_of_them.low > simulation(*of).low + 0.1


def test_more_silent_contexts_leave_less_to_hide():
    few = quiet_draw()
    silent = np.flatnonzero(few.stratum == 0)
    rows = np.r_[np.arange(40), np.tile(silent, 10)]
    many = few.take(rows, np.where(few.stratum[rows] == 0, 10.0, 1.0))
    assert simulation(*many).value == pytest.approx(simulation(*few).value)
    assert simulation(*many).low > simulation(*few).low + 0.1


def test_a_dense_prediction_is_held_to_the_same_measure():
    assert simulation(*quiet_draw(noise=0.01)).low == pytest.approx(simulation(*quiet_draw()).low, abs=0.05)


def test_a_bootstrap_sample_is_never_without_a_firing_context():
    of = corpus(n=100, firing=0.03, alarm=0.0)
    assert 2 <= (of.stratum > 0).sum() <= 5
    found = moments(of.truth, of.prediction, of.lengths)
    totals, _ = replicate(found, resampling_classes(of.stratum))
    assert (totals[:, 3] > 0).all()


def test_intervals_of_draws_cover_a_dense_prediction_too():
    rng = np.random.default_rng(7)
    of = corpus(seed=7, n=6000, firing=0.3, alarm=0.0)
    dense = dataclasses.replace(of, prediction=of.truth + rng.normal(0, 1, of.truth.shape))
    value = correlation(dense)
    draws = [systematic_draw(dense, 80, rng) for _ in range(80)]
    covered = [
        estimate.low <= value <= estimate.high
        for seed, draw in enumerate(draws)
        for estimate in [simulation(*draw, drawn=True, seed=seed)]
    ]
    assert np.mean(covered) >= 0.9
