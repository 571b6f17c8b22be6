import dataclasses

import pytest

from labeler.cli.show import MANY, control, listed, neighbourhood
from labeler.features import Lens
from tests.fakes.evidence import make_store


def row(headline, lookup, beats):
    return {"controls": {"lookup": {"value": lookup}, "beats_lookup": beats}, "headline": headline}


def test_a_label_that_does_not_beat_the_lookup_is_said_to_be_no_more_than_a_list_of_tokens():
    assert control(row(0.3, 0.55, False)) == (
        "a look-up of tokens scores +0.55; the label does not beat it: it says no more than a list of tokens"
    )
    assert control(row(0.6, 0.55, True)).endswith("the label beats it")


def test_where_either_is_undefined_nobody_has_beaten_anybody():
    assert control(row(None, 0.55, None)) == (
        "a look-up of tokens scores +0.55; the headline is no number to compare with it"
    )
    assert control(row(0.6, None, None)) == "a look-up of tokens predicts nothing here"
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
