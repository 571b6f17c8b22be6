"""How much of a run goes into the null of what has to be paid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.catalogue.labels import POOLED
from labeler.pipeline.config import FEATURES, LABELS, PaidNull, paid_null, sample, stored_null


@given(st.integers(0, 5_000))
def test_it_is_a_fifth_of_what_scoring_costs_at_most_and_enough_to_read_a_percentile_off(n):
    found = paid_null(range(n), seed=0)
    tried = len(found.features) * found.labels
    assert tried <= (n + tried) / 5
    assert tried == 0 or tried >= POOLED
    assert len(found.features) <= FEATURES
    assert found.labels <= LABELS
    assert set(found.features) <= set(range(n))


@pytest.mark.parametrize(
    ("n", "features", "labels"),
    [
        (1, 0, 0),
        (12, 0, 0),
        (39, 0, 0),
        (40, 10, 1),
        (100, 25, 1),
        (511, 64, 1),
        (512, 64, 2),
        (768, 64, 3),
        (10**5, 64, 3),
    ],
)
def test_few_features_are_tried_with_few_labels_on_as_many_features_as_may_be(n, features, labels):
    found = paid_null(range(n), seed=0)
    assert (len(found.features), found.labels) == (features, labels)


def test_whoever_says_how_many_labels_has_them_on_a_full_sample():
    assert paid_null(range(12), 0, 3) == PaidNull(list(range(12)), 3)
    assert len(paid_null(range(1_000), 0, 10).features) == FEATURES
    assert paid_null(range(1_000), 0, 0) == PaidNull([], 0)


def test_the_sample_is_of_the_features_and_the_same_for_the_same_seed():
    assert sample(range(100, 110), 0) == list(range(100, 110))
    some = sample(range(1_000), 0)
    assert some == sorted(set(some)) == sample(range(1_000), 0) != sample(range(1_000), 1)
    assert set(sample(range(1_000), 0, 5)) < set(some)


def test_a_run_of_an_older_version_keeps_its_null():
    assert stored_null({"null_sample": [3, 5], "labelling": {"foreign": 3}}) == PaidNull([3, 5], 3)
