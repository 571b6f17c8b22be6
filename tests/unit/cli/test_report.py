from labeler.api import Spent
from labeler.catalogue.report import Share, report
from labeler.cli.report import about, cost, lacking, percent
from labeler.cli.running import mean, missing, of_how_many, why_in_none, with_scarce
from labeler.metrics import ONE_HALF, TOO_FEW, average
from tests.unit.catalogue.test_report import row


def test_a_mean_says_of_how_many_features_it_is_and_why_the_others_are_in_none():
    rows = [row(i, 0.2 + 0.1 * i) for i in range(4)] + [row(9, None, state="undefined")]
    rows += [row(20, 0.9, state="imprecise", reason=f"{TOO_FEW}: 3 that fire")]
    rows += [row(21, 0.8, state="imprecise", reason=f"{ONE_HALF}; of the other: nothing")]
    rows += [row(22, None, state="failed"), row(23, None, state="unscored"), row(24, None, state="unscored")]
    [headline] = report(rows).headlines
    said = of_how_many(headline)
    assert said.startswith("mean +0.280 [")
    assert said.endswith("], 1 undefined as 0 over 5 of 10 features")
    assert why_in_none(headline) == "1 too few contexts, 1 one half without a label, 1 failed, 2 not scored"
    added = with_scarce(headline)
    assert added.startswith("with the 2 that rest on too little added: mean +0.443 [")
    assert added.endswith("], 1 undefined as 0 over 7")


def test_where_every_feature_is_in_the_mean_nothing_is_said_of_others():
    [headline] = report([row(i, 0.5) for i in range(12)]).headlines
    assert of_how_many(headline) == "mean +0.500 [+0.500 +0.500] over 12 features"
    assert (why_in_none(headline), with_scarce(headline)) == ("", "")


def test_a_mean_of_a_few_features_says_why_it_has_no_interval():
    for n in (1, 2, 3):
        found = report([row(i, 0.5) for i in range(n)])
        many = "s" if n > 1 else ""
        assert of_how_many(found.headlines[0]) == (
            f"mean +0.500 over {n} feature{many} (no interval: fewer than 4 features)"
        )
        assert lacking(found) == "a mean of fewer than 4 features has no interval: it would say nothing"
    assert missing(average([0.5] * 4)) == missing(average([])) == ""


def test_where_no_feature_is_in_a_mean_there_is_none():
    found = report([row(0, 0.3, state="imprecise", reason=f"{TOO_FEW}: 3 that fire"), row(1, None, state="failed")])
    assert of_how_many(found.headlines[0]) == "no mean of 2 features"
    assert with_scarce(found.headlines[0]) == "with the 1 that rests on too little added: mean +0.300 over 1"


def test_a_mean_says_how_many_undefined_scores_are_in_it():
    assert mean(average([])) == "–"
    assert mean(average([0.5])) == "+0.500"
    assert mean(average([0.5, None, 0.4, 0.6])).startswith("+0.375 [")
    assert mean(average([0.5, None, 0.4, 0.6])).endswith(", 1 undefined as 0")


def test_a_share_comes_with_its_interval():
    assert percent(Share(share=0.5, low=0.25, high=0.75, n=1200)) == "50.0% [25.0% 75.0%]"


def test_calls_of_unknown_price_or_outcome_are_not_passed_over():
    known = {"runs": 2, "usd": 1.5, "calls": 30, "input_tokens": 4000, "cached_tokens": 10, "output_tokens": 5}
    sure = Spent(**known, unpriced_calls=0, unknown_calls=0, unknown_usd=0.0)
    assert cost(sure) == "2 runs: $1.50 for 30 calls, 4,000 tokens in (10 cached), 5 out"
    unsure = Spent(**known, unpriced_calls=3, unknown_calls=1, unknown_usd=0.25)
    assert cost(unsure).endswith("; 3 calls of unknown price; 1 calls of unknown outcome, at most $0.2500")


def test_shares_say_of_which_features_they_are(capsys):
    rows = [row(i, 0.5, against="better", percentile=99.0) for i in range(3)]
    rows += [row(4, 0.5, against="worse"), row(5, None, state="undefined", percentile=10.0)]
    [headline] = report(rows).headlines
    about(headline)
    said = capsys.readouterr().out
    assert "of 4 that can be compared with a look-up of tokens: 75.0% [" in said
    assert "] do clearly better, 25.0% worse\n" in said
    assert "of 4 that have a place among other features' labels: 75.0% [" in said
    assert "active on" not in said, "so few have no tenths"
