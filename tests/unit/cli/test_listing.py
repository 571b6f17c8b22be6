import pytest

from labeler.cli.listing import lists_line
from labeler.features import Lens


@pytest.mark.parametrize(
    ("lens", "says"),
    [
        (
            Lens(auc=0.5613, low=0.5219, high=0.6007, n_features=256),
            "promoted tokens are not shown: here they say too little of what follows where a feature fires (of 256 features, "
            "the own list fits that better than another's in 56 % of cases [52 60]; 50 % is chance, and the low end has to "
            "be above 55 %)",
        ),
        (
            Lens(auc=0.9967, low=0.9812, high=1.0, n_features=8),
            "promoted tokens are shown: they say something of what follows where a feature fires (of 8 features, the own list "
            "fits that better than another's in 100 % of cases [98 100]; 50 % is chance, and the low end has to be above 55 %)",
        ),
    ],
)
def test_the_interval_that_decides_whether_promoted_tokens_are_shown_is_told(lens, says):
    assert lists_line(lens) == says
