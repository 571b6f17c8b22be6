"""Features on a terminal: which, as of which run, and what is seen of them."""

import json
import re

import pytest

from tests.integration.cli.conftest import labelled, store_run


@pytest.fixture
def two_runs(catalogue):
    """The ids of an older run over all features and of a newer one over two of them."""
    older = store_run(
        catalogue,
        {
            0: labelled("months", 0.5),
            1: labelled("articles", 0.9),
            2: labelled("water", -0.1),
            3: labelled("coins", None, state="undefined"),
        },
    )
    return older, store_run(catalogue, {1: labelled("the word the", 0.2), 3: labelled("penny", 0.7)})


def shown(said):
    """The features that a command showed, in order."""
    assert said.code == 0, said.err
    return [int(index) for index in re.findall(r"^toy / (\d+) ", said.out, re.MULTILINE)]


def test_several_features_are_shown_in_the_order_in_which_they_are_named(command, two_runs):
    assert shown(command("show", "toy", "3", "0-1", "3")) == [3, 0, 1]


def test_best_and_worst_go_by_the_headline_of_the_label_that_stands(command, two_runs):
    assert shown(command("show", "toy", "--best", "2")) == [3, 0]
    assert shown(command("show", "toy", "--worst", "2")) == [2, 1]
    assert shown(command("show", "toy", "--best", "99")) == [3, 0, 1, 2]


def test_best_and_worst_of_a_run_go_by_its_own_scores(command, two_runs):
    older, newer = two_runs
    assert shown(command("show", "toy", "--best", "1", "--run", older)) == [1]
    assert shown(command("show", "toy", "--worst", "9", "--run", newer[:8])) == [1, 3]
    assert shown(command("show", "toy", "--worst", "9", "--run", older)) == [2, 0, 1]  # an undefined one is no number


def test_random_features_are_labelled_ones(command, two_runs):
    assert set(shown(command("show", "toy", "--random", "3"))) <= {0, 1, 2, 3}
    assert shown(command("show", "toy", "--random", "50")) == [0, 1, 2, 3]
    assert shown(command("show", "toy", "--random", "50", "--run", two_runs[1])) == [1, 3]


def test_where_nothing_is_labelled_random_features_are_any_and_there_is_no_best(command, home):
    assert shown(command("show", "toy", "--random", "50")) == [0, 1, 2, 3, 4]
    refused = command("show", "toy", "--best", "1")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "labeler: no label of 'toy' has a headline score yet; labeler label toy\n"


@pytest.mark.parametrize("arguments", [[], ["1", "--best", "1"], ["--best", "1", "--worst", "1"]])
def test_features_are_chosen_in_exactly_one_way(command, home, arguments):
    refused = command("show", "toy", *arguments)
    assert refused.code == 2
    assert "3 17 20-24, or one of --random N, --best N, --worst N" in refused.err


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("5", "feature 5 is out of range: 'toy' has features 0 to 4"),
        ("3-9", "feature 9 is out of range"),
        ("x", "'x' is no feature index"),
    ],
)
def test_a_feature_that_is_not_there_is_named(command, home, wrong, says):
    refused = command("show", "toy", "0", wrong)
    assert refused.code == 2
    assert says in refused.err


def test_a_label_is_shown_as_of_a_run(command, two_runs):
    older, newer = two_runs
    assert "the word the" in command("show", "toy", "1").out
    assert "articles" in command("show", "toy", "1", "--run", older[:6]).out
    assert f"toy / 0  run {newer} has no label of it" in command("show", "toy", "0", "--run", newer).out


def test_a_report_and_an_export_are_of_the_run_that_is_asked_for(command, two_runs, home):
    older, newer = two_runs
    assert f"toy, run {newer}: 2 features, 2 labelled" in command("report", "toy", "--run", newer).out
    assert command("report", "toy").out.startswith("toy: 4 features, 4 labelled")
    assert command("export", "toy", "--run", older, "--out", "rows.jsonl").out == "4 rows in rows.jsonl\n"
    rows = [json.loads(line) for line in (home / "rows.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == ["months", "articles", "water", "coins"]
    assert {row["provenance"]["run"] for row in rows} == {older}


def test_an_export_is_what_its_file_ends_in_and_replaces_nothing_unasked(command, two_runs, home):
    for name, begins in (("labels.csv", "index,state,label"), ("labels.jsonl", '{"dictionary"')):
        assert command("export", "toy", "--out", name).out == f"4 rows in {name}\n"
        assert (home / name).read_text().startswith(begins)
    (home / "labels.csv").write_text("mine")
    refused = command("export", "toy", "--out", "labels.csv")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "labeler: 'labels.csv' is there already; name another file, or replace it with --force\n"
    assert (home / "labels.csv").read_text() == "mine"
    assert command("export", "toy", "--out", "labels.csv", "--force").code == 0
    assert (home / "labels.csv").read_text().startswith("index,state,label")
    assert command("export", "toy", "--out", "labels.csv", "--format", "jsonl", "--force").code == 2
    assert "ends in .jsonl or .csv, or give a --format" in command("export", "toy", "--out", "labels.xlsx").err


@pytest.mark.parametrize("arguments", [["show", "toy", "1"], ["report", "toy"], ["export", "toy", "--out", "rows"]])
def test_an_unknown_run_is_answered_with_those_there_are(command, catalogue, two_runs, home, arguments):
    other = store_run(catalogue, {0: labelled("else", 0.1)}, dictionary="other")
    refused = command(*arguments, "--run", "nope")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"labeler: there is no run 'nope' of 'toy' (runs: {two_runs[1]}, {two_runs[0]})\n"
    refused = command(*arguments, "--run", other)
    assert refused.err.startswith(f"labeler: run '{other}' is of 'other', not of 'toy' (runs: ")
    assert not (home / "rows").exists()


def test_a_run_is_asked_for_before_there_is_any(command, home):
    refused = command("report", "toy", "--run", "nope")
    assert refused.err == "labeler: there is no run 'nope' of 'toy' (runs: none yet)\n"


def test_one_feature_is_an_object_for_another_program_and_several_are_a_list(command, two_runs):
    one = json.loads(command("show", "toy", "1", "--json").out)
    assert (one["index"], one["row"]["label"]) == (1, "the word the")
    assert sum(bar["tokens"] for bar in one["histogram"]) > 0
    several = json.loads(command("show", "toy", "1-2", "--json").out)
    assert [(each["index"], each["row"]["label"]) for each in several] == [(1, "the word the"), (2, "water")]


def test_how_strongly_it_is_active_is_drawn(command, two_runs):
    said = command("show", "toy", "2", "--contexts", "0").out
    assert re.search(r"^ *activation  tokens$", said, re.MULTILINE)
    assert re.search(r"^ *1 to 2 +\d+  █+$", said, re.MULTILINE)


def test_active_tokens_are_marked_with_their_strength_where_there_is_no_colour(command, two_runs):
    said = command("show", "toy", "0", "--contexts", "2").out
    assert re.search(r"⟦ (march|june)⟧10", said)
    assert "⟦active⟧7: how strongly" in said
