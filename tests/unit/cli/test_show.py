import dataclasses
from types import SimpleNamespace

import pytest

from labeler import api
from labeler.catalogue.records import BY_HALVES
from labeler.cli.show import CLOSE, MANY, beneath, beside, control, listed, neighbourhood, occurring
from labeler.features import Lens
from labeler.metrics import ONE_HALF
from tests.fakes.evidence import make_store

ALIKE = "the label does about as well, as far as these contexts tell"


def row(lookup, against, *between):
    difference = dict(zip(("value", "low", "high"), between, strict=True)) if between else None
    ends = {"low": None if lookup is None else lookup - 0.1, "high": None if lookup is None else lookup + 0.1}
    return {"controls": {"lookup": {"value": lookup, **ends, "difference": difference}, "against_lookup": against}}


@pytest.mark.parametrize(
    ("against", "between", "said"),
    [
        ("better", (0.2, 0.1, 0.3), "the label does clearly better (difference +0.20 [+0.10 +0.30])"),
        ("alike", (0.0, 0.0, 0.0), f"{ALIKE} (difference +0.00 [+0.00 +0.00])"),
        ("alike", (-0.1, -0.3, 0.1), f"{ALIKE} (difference -0.10 [-0.30 +0.10])"),
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


@pytest.mark.parametrize("feature", [0, 4])
@pytest.mark.parametrize(("auc", "shown"), [(None, True), (0.7, True), (0.52, False)])
def test_promoted_tokens_are_shown_unless_they_say_nothing_and_told_to_be_unmeasured(tmp_path, auc, shown, feature):
    """One rule for features that live and that are dead; a model is shown none that nobody measured."""
    lens = None if auc is None else Lens(auc=auc, low=auc - 0.03, high=auc + 0.03, n_features=256)
    evidence = dataclasses.replace(
        make_store(tmp_path).evidence(feature), promoted=((" cats", 2.0),), suppressed=((" dogs", -1.0),), lens=lens
    )
    said = "\n".join(line.plain for line in neighbourhood(evidence, None))
    assert ("promotes cats" in said) is ("suppresses dogs" in said) is shown
    assert ("not shown: here they say too little" in said) is ("in 52 % of cases [49 55]" in said) is not shown
    assert ("promotes cats  (not measured here whether such lists say anything)" in said) is (auc is None)
    if feature == 0:
        assert bool(evidence.telling) is (auc == 0.7)


def test_only_features_that_are_near_are_named_as_near(tmp_path):
    evidence = dataclasses.replace(make_store(tmp_path).evidence(0), promoted=(), suppressed=())
    for nearest, said in (
        (((3, 0.9), (1, CLOSE), (2, 0.03)), [f"nearest features: 3 (0.90), 1 ({CLOSE})"]),
        (((3, 0.03),), []),
        ((), []),
    ):
        lines = neighbourhood(dataclasses.replace(evidence, nearest=nearest, near_duplicates=()), None)
        assert [line.plain for line in lines if "nearest" in line.plain] == said


def scored(state="ok", reason=None, sampling="everything at hand", percentile=None, value=0.5):
    return {
        "value": value, "low": None, "high": None, "state": state, "reason": reason, "sampling": sampling,
        "null_percentile": percentile, "uniform_equivalent_n": None, "n_contexts": 9,
    }  # fmt: skip


WIDE = "half of the interval's width, 0.21, exceeds 0.15"


def told(controls=None, **scores):
    found = {"scores": scores, "headline": next(iter(scores)), "controls": controls or {}}
    return [line.plain for line in beneath(found)], set(occurring([found]))


def test_why_a_score_is_imprecise_is_said_once_and_of_which():
    lines, signs = told(a=scored("imprecise", WIDE), b=scored("imprecise", WIDE.replace("21", "33")), c=scored())
    assert lines == ["~ half of the interval's width exceeds 0.15"]
    assert signs == {"~", "n"}
    lines, _ = told(a=scored("imprecise", "luck"), b=scored("imprecise", WIDE), c=scored("imprecise", WIDE), d=scored())
    assert lines == ["~ a: luck", "~ the others: half of the interval's width exceeds 0.15"]
    assert told(a=scored()) == ([], {"n"})


def test_why_there_is_no_score_is_said():
    lines, signs = told(
        a=scored("unscored", "it says what is promoted", value=None),
        b=scored("unscored", "it says what is promoted", value=None),
        c=scored("undefined", "the same on every token", value=None),
        d=scored("failed", "no answer", value=None),
    )
    assert lines == [
        "not scored: it says what is promoted",
        "c undefined: the same on every token",
        "d failed: no answer",
    ]
    assert signs == {"n"}


def test_an_interval_of_the_contexts_at_hand_is_said_to_be_no_corpus_s():
    with_ends = {**scored(), "low": 0.3, "high": 0.7}
    assert told(**{"simulation_top_and_random.lexical": with_ends})[1] == {"[95 %]", "n"}
    assert told(**{"simulation_top_and_random.lexical": scored()})[1] == {"n"}
    assert told(**{"simulation.lexical": with_ends})[1] == {"n"}


def test_a_mean_of_halves_is_said_to_be_one():
    halves = f"everything at hand; {BY_HALVES}"
    lines, signs = told(a=scored(sampling=halves, percentile=90.0))
    assert lines == [f"by halves: {BY_HALVES}"]
    assert signs == {"by halves", "beats", "n"}
    one = scored("imprecise", f"{ONE_HALF}; of the other: no explainer saw a clear pattern", sampling=halves)
    lines, signs = told(a=one)
    assert lines == [f"~ {ONE_HALF}; of the other: no explainer saw a clear pattern"]
    assert signs == {"~", "n"}


@pytest.fixture
def beside_it(monkeypatch):
    """The lines beside a label, of which only the other labels are asked."""

    def lines(considered=(), others=()):
        monkeypatch.setattr(api, "considered", lambda dictionary, row: list(considered))
        monkeypatch.setattr(api, "labels_of_other_runs", lambda dictionary, row: list(others))
        return [line.plain for line in beside(SimpleNamespace(name="toy"), {"label": "penny", "index": 3})]

    return lines


def test_rivals_are_listed_once_and_those_of_a_half_say_so(beside_it):
    rivals = [(None, "coin", "a"), (None, "coin", "b"), (None, "penny", "b"), (None, "", "c")]
    halves = [(1, "money", "a"), (0, "penny", "a")]
    assert beside_it([*rivals, *halves]) == [
        "also considered: coin (a, b); unclear (c)",
        "made of half of its documents, to be scored on the other: of half A: the same; of half B: money",
    ]
    assert beside_it([(1, "", "a")]) == ["made of half of its documents, to be scored on the other: of half B: unclear"]
    assert beside_it() == []


def test_labels_of_other_runs_are_named_with_the_command_that_shows_them(beside_it):
    others = [(f"run{at}", f"label {at}", "lexical") for at in range(5)]
    lines = beside_it([], others)
    assert lines[0] == "another label of it: label 0 (lexical); labeler show toy 3 --run run0"
    assert lines[-1] == "and 2 more labels, of older runs"
    assert len(lines) == 4
