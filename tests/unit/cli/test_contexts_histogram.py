import numpy as np

from labeler.cli.contexts import BARS, WIDTH, bars, drawn
from labeler.evidence.sampling import N_STRATA, strata, stratum_bounds


def histogram(**tokens):
    """Active tokens by activation."""
    found = np.zeros(N_STRATA, dtype=np.int64)
    for activation, n in tokens.items():
        found[int(strata(np.array([float(activation.removeprefix("a").replace("_", "."))]))[0])] += n
    return found


def test_bounds_are_those_by_which_strata_are_made():
    for stratum in range(1, N_STRATA):
        low, high = stratum_bounds(stratum)
        inside = low or high / 2
        assert strata(np.array([inside]))[0] == stratum
        if high < np.inf:
            assert strata(np.array([high]))[0] == stratum + 1


def test_a_bar_is_as_long_as_its_tokens_are_many():
    lines = drawn(bars(histogram(a1_5=10, a3=20, a9=1)))
    assert lines == [
        "activation  tokens",
        f"    1 to 2      10  {'█' * (WIDTH // 2)}",
        f"    2 to 4      20  {'█' * WIDTH}",
        "    4 to 8       0",
        "   8 to 16       1  █",
    ]


def test_few_lines_hold_all_tokens():
    found = histogram(a0_001=5, a0_3=7, a1=1, a8=2, a100=3, a20000=4)
    few = bars(found)
    assert len(few) == BARS
    assert sum(bar.tokens for bar in few) == 22
    assert (few[0].low, few[0].tokens) == (0.0, 18)
    assert drawn(few)[-1].lstrip().startswith("16384 and more")


def test_a_dead_feature_has_no_bars():
    assert bars(np.zeros(N_STRATA, dtype=np.int64)) == []
