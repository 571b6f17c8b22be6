"""What a plan says in words."""

import pytest

from labeler.cli.plan import paces, within
from labeler.pipeline.plan import Plan, Span


@pytest.mark.parametrize(
    ("finished", "says"),
    [
        (Span(40, 40, 40), "$3 is enough"),
        (Span(18, 40, 40), "$3 is probably enough, but may finish no more than 18 of 40 features"),
        (Span(8, 22, 40), "$3 would finish about 22 [8 40] of 40 features"),
        (Span(0, 0, 0), "$3 would finish about 0 of 40 features"),
        (None, "whether $3 is enough nobody can say without a price"),
    ],
)
def test_a_budget_is_told_by_what_it_finishes(finished, says):
    assert (
        within(Plan(explainer="m", mode="direct", features=40, sampled=24, budget_usd=3.0, finished=finished)) == says
    )


@pytest.mark.parametrize(("budget", "says"), [(0.05, "$0.05 "), (1234.5, "$1,234.5 "), (1e6, "$1,000,000 ")])
def test_a_budget_is_told_as_it_was_given(budget, says):
    enough = Plan(explainer="m", mode="direct", features=4, sampled=4, budget_usd=budget, finished=Span(4, 4, 4))
    assert within(enough).startswith(says)


def test_what_hours_rest_on_is_said():
    took = {"start_seconds": 4.26, "feature_seconds": 0.123}
    free = Plan(explainer="lexical", mode="direct", features=40, sampled=24, **took)
    here = "this machine takes 4.3 s to begin, models loaded, and 0.12 s a feature (measured on 6)"
    assert paces(free, batch=False) == here
    paid = Plan(explainer="m", mode="direct", features=2, sampled=2, calls=Span(2, 3, 4), **took)
    assert "(measured on 2); a call takes 3 [1 10] s, 64 features are asked about at once" in paces(paid, batch=False)
    assert "batch" not in paces(paid, batch=False)
    assert "(a batch takes 1h [6min 24h])" in paces(paid, batch=True)
