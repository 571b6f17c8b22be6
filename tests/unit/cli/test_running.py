"""Commands that are printed name features that are here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.arguments import parse_features
from labeler.cli.running import FIRST, PIECES, spelled


@pytest.mark.parametrize(
    ("indices", "text"),
    [
        ([3], "3"),
        ([0, 1, 2], "0-2"),
        ([6, 7, 9, 87], "6-7,9,87"),
        (range(40), "0-31"),
        (range(0, 40, 2), "0,2,4,6,8,10,12,14"),
    ],
)
def test_ranges_where_indices_follow_one_another(indices, text):
    assert spelled(list(indices)) == text


@given(st.sets(st.integers(0, 200), min_size=1).map(sorted))
def test_what_is_spelled_is_read_back_as_those_very_features(indices):
    read = parse_features(spelled(indices), list(range(201)))
    assert read == indices[: len(read)]
    assert len(read) >= min(len(indices), PIECES)
    assert len(read) <= FIRST
