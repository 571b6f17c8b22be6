"""What an import says of the features that it brought."""

import pytest

from labeler.cli.bring import reach

FEW = "the others fire in too few of the contexts that are here, copies of one text counted once"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((5, 5, 5, 0), "all of them can be explained and scored"),
        ((1, 1, 1, 0), "it can be explained and scored"),
        ((5, 4, 4, 1), "4 of them can be explained, and 4 of these labels scored; 1 is dead"),
        ((9, 4, 3, 2), f"4 of them can be explained, and 3 of these labels scored; 2 are dead; {FEW}"),
        ((5, 4, 4, 0), f"4 of them can be explained, and 4 of these labels scored; {FEW}"),
    ],
)
def test_dead_features_are_told_apart_from_those_with_too_little(counts, said):
    assert reach(*counts) == said
