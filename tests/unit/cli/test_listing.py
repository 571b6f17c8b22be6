import pytest

from labeler.cli.listing import lists_line
from labeler.features import Lens


@pytest.mark.parametrize(
    ("lens", "says"),
    [
        (
            Lens(auc=0.5613, low=0.5219, high=0.6007, n_features=256),
            "promoted tokens are not shown: the interval would have to be above .55; they tell 256 features apart at "
            "AUC .56 [.52 .60]",
        ),
        (
            Lens(auc=0.9967, low=0.9812, high=1.0, n_features=8),
            "promoted tokens are shown: the interval is above .55; they tell 8 features apart at AUC 1.00 [.98 1.00]",
        ),
    ],
)
def test_the_interval_that_decides_whether_promoted_tokens_are_shown_is_told(lens, says):
    assert lists_line(lens) == says
