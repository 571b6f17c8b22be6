import dataclasses

import pytest

from labeler.cli.show import MANY, control, listed, neighbourhood
from labeler.features import Lens
from tests.fakes.evidence import make_store


def row(lookup, against, *between):
    difference = dict(zip(("value", "low", "high"), between, strict=True)) if between else None
    ends = {"low": None if lookup is None else lookup - 0.1, "high": None if lookup is None else lookup + 0.1}
    return {"controls": {"lookup": {"value": lookup, **ends, "difference": difference}, "against_lookup": against}}


@pytest.mark.parametrize(
    ("against", "between", "said"),
    [
        ("better", (0.2, 0.1, 0.3), "the label does clearly better (difference +0.20 [+0.10 +0.30])"),
        ("alike", (0.0, 0.0, 0.0), "the label does about as well (difference +0.00 [+0.00 +0.00])"),
        ("alike", (-0.1, -0.3, 0.1), "the label does about as well (difference -0.10 [-0.30 +0.10])"),
        ("worse", (-0.4, -0.5, -0.3), "the label does worse (difference -0.40 [-0.50 -0.30])"),
        (None, (), "nothing can be said of which does better"),
    ],
)
def test_how_a_label_stands_to_a_look_up_of_tokens_is_said_by_the_interval_of_their_difference(against, between, said):
    assert control(row(0.55, against, *between)) == f"a look-up of tokens scores 0.55 [0.45 0.65]; {said}"


def test_a_look_up_that_predicts_nothing_is_not_compared():
    assert control(row(None, None)) == "a look-up of tokens predicts nothing here"
    assert control({"controls": {}}) == ""


def test_of_many_features_some_are_listed():
    assert listed([3, 1]) == "3, 1"
    assert listed(range(MANY + 2)).endswith(f"{MANY - 1} and 2 more")


@pytest.mark.parametrize(("auc", "shown"), [(None, False), (0.7, True), (0.52, False)])
def test_promoted_tokens_are_shown_where_they_say_something(tmp_path, auc, shown):
    lens = None if auc is None else Lens(auc=auc, low=auc - 0.03, high=auc + 0.03, n_features=256)
    evidence = dataclasses.replace(
        make_store(tmp_path).evidence(0), promoted=((" cats", 2.0),), suppressed=((" dogs", -1.0),), lens=lens
    )
    said = "\n".join(line.plain for line in neighbourhood(evidence, None))
    assert ("promotes cats" in said) is ("suppresses dogs" in said) is shown
    why = "they tell this feature from others at AUC .52" if auc else "too little is here to measure whether they say"
    unsaid = f"promoted tokens: not shown, {why}"
    assert (unsaid in said) is not shown
