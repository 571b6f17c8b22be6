from labeler.api import Spent
from labeler.catalogue.report import Share
from labeler.cli.report import cost, mean, percent
from labeler.score import average


def test_a_mean_says_how_many_undefined_scores_are_in_it():
    assert mean(average([])) == "–"
    assert mean(average([0.5])) == "+0.500"
    assert mean(average([0.5, None, 0.4, 0.6])).startswith("+0.375 [")
    assert mean(average([0.5, None, 0.4, 0.6])).endswith(", 1 undefined as 0")


def test_a_share_comes_with_its_interval_and_number():
    assert percent(Share(share=0.5, low=0.25, high=0.75, n=1200)) == "50.0% [25.0% 75.0%] of 1,200"


def test_calls_of_unknown_price_or_outcome_are_not_passed_over():
    known = {"runs": 2, "usd": 1.5, "calls": 30, "input_tokens": 4000, "cached_tokens": 10, "output_tokens": 5}
    sure = Spent(**known, unpriced_calls=0, unknown_calls=0, unknown_usd=0.0)
    assert cost(sure) == "2 runs: $1.50 for 30 calls, 4,000 tokens in (10 cached), 5 out"
    unsure = Spent(**known, unpriced_calls=3, unknown_calls=1, unknown_usd=0.25)
    assert cost(unsure).endswith("; 3 calls of unknown price; 1 calls of unknown outcome, at most $0.2500")
