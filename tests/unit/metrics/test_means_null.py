"""The scores of foreign labels."""

import pytest

from labeler.metrics import null_mean, null_percentile


@pytest.mark.parametrize(
    ("value", "foreign", "percentile"),
    [
        (0.5, [0.1, 0.2, 0.3, 0.4], 100.0),
        (0.0, [0.1, 0.2], 0.0),
        (0.25, [0.1, 0.2, 0.3, 0.4], 50.0),
        (0.2, [0.1, 0.2, 0.2, 0.3], 50.0),
        (0.1, [None, None, 0.2, 0.3], 50.0),
        (0.0, [None], 50.0),
        (-0.1, [None, -0.2], 50.0),
        (None, [0.1], None),
        (0.1, [], None),
    ],
)
def test_the_percentile_counts_ties_half_and_undefined_scores_as_zero(value, foreign, percentile):
    assert null_percentile(value, foreign) == percentile


def test_the_mean_counts_undefined_scores_as_zero():
    assert null_mean([0.2, None, 0.4]) == pytest.approx(0.2)
    assert null_mean([]) is None


def test_nan_is_no_score():
    with pytest.raises(ValueError, match="finite"):
        null_percentile(0.1, [float("nan")])
