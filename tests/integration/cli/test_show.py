"""Features on a terminal: which, as of which run, and what is seen of them."""

import json
import os
import re
import subprocess
import sys

import pytest

from labeler import api
from labeler.cli import display
from labeler.cli.display import score_text
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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "3 17 20-24, or one of --random N, --best N, --worst N"),
        (["1", "--best", "1"], "the features by name and --best exclude each other"),
        (["--best", "2", "--worst", "1"], "--best and --worst exclude each other"),
        (["--random", "1", "--best", "2", "--worst", "1"], "--random, --best and --worst exclude each other"),
    ],
)
def test_features_are_chosen_in_exactly_one_way(command, home, arguments, says):
    refused = command("show", "toy", *arguments)
    assert refused.code == 2
    assert says in refused.err


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("5", "feature 5 is out of range: 'toy' has features 0 to 4"),
        ("6-9", "features 6-9 are out of range: 'toy' has features 0 to 4"),
        ("x", "'x' is no feature index"),
    ],
)
def test_where_no_feature_that_is_named_is_there_that_is_said(command, home, wrong, says):
    refused = command("show", "toy", wrong)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"labeler: {says}")


def test_of_what_is_named_those_that_are_there_are_shown_and_the_others_named(command, home):
    said = command("show", "toy", "0", "3-9", "7")
    assert shown(said) == [0, 3, 4]
    assert said.err == "not here: 5-9, 7 ('toy' has features 0 to 4)\n"
    assert len(json.loads(command("show", "toy", "3-9", "--json").out)) == 2


@pytest.mark.parametrize("labelled_first", [False, True])
def test_a_dead_feature_is_said_to_have_never_fired(command, catalogue, labelled_first):
    if labelled_first:
        api.open("toy").label([4], explainers="lexical", simulators="lexical").work()
    said = command("show", "toy", "4").out
    n = api.open("toy").store.manifest.n_tokens
    assert said.splitlines()[:2] == ["toy / 4  dead", f"never fired in the {n:,} tokens collected"]
    assert said.count("never") == 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_name_and_no_number_of_a_score_is_cut_at_any_width(command, catalogue, monkeypatch, width):
    api.open("toy").label([0], explainers="lexical", simulators="lexical").work()
    monkeypatch.setattr(display.out, "_width", width)
    row = next(api.open("toy").catalogue([0]))
    said = command("show", "toy", "0", "--contexts", "0").out
    for key, score in row["scores"].items():
        assert key in said
        assert str(score_text(score)) in said
        assert f"{score['n_contexts']:,}" in said


def test_at_80_columns_nothing_overruns_and_the_scores_of_all_features_look_alike(command, catalogue, monkeypatch):
    run = api.open("toy").label([0, 1, 2, 3], explainers="lexical", simulators="lexical")
    run.work()
    monkeypatch.setattr(display.out, "_width", 80)
    lines = command("show", "toy", "0-3").out.splitlines()
    assert max(map(len, lines)) <= 80
    headers = [line for line in lines if line.startswith("score  ")]
    assert len(headers) == 4
    assert len(set(headers)) == 1
    worth = [score["uniform_equivalent_n"] for row in run.rows() for score in row["scores"].values()]
    assert ("worth" in headers[0]) is any(n is not None for n in worth)


def test_what_signs_say_is_told_once_at_the_end_where_they_occur(command, two_runs):
    assert "imprecise" not in command("show", "toy", "0").out
    api.open("toy").score({0: "march", 1: "the"}, simulators="lexical", precision=0.0001).work()
    lines = command("show", "toy", "0-1", "--contexts", "0").out.splitlines()
    assert [line for line in lines if line.startswith("~ ")][-1] == "~  imprecise; why stands beneath the scores"
    assert sum(line.startswith("look-up  ") for line in lines) == 1
    assert any("half of the interval's width exceeds 0.0001" in line for line in lines), lines


def test_a_label_says_where_it_comes_from_and_that_another_one_is_there(command, two_runs, home):
    older, _ = two_runs
    (home / "mine.csv").write_text("index,label\n0,march\n2,water\n")
    scored = command("score", "toy", "--labels", "mine.csv", "--simulator", "lexical")
    assert scored.code == 0
    assert "in the place of another label of its feature: 1 label;" in scored.err
    said = command("show", "toy", "0").out
    assert said.startswith("toy / 0  march  (from the file mine.csv)\n")
    assert f"another label of it: months (lexical); labeler show toy 0 --run {older}\n" in said
    assert "another label" not in command("show", "toy", "2").out, "it reads the same"
    assert "another label of it: march (file:mine.csv)" in command("show", "toy", "0", "--run", older).out
    (other,) = json.loads(command("show", "toy", "0", "--json").out)["other_labels"]
    assert other == {"run": older, "label": "months", "explainer": "lexical"}


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
    for name, begins in (("labels.csv", "index,state,reason,label"), ("labels.jsonl", '{"dictionary"')):
        assert command("export", "toy", "--out", name).out == f"4 rows in {name}\n"
        assert (home / name).read_text().startswith(begins)
    (home / "labels.csv").write_text("mine")
    refused = command("export", "toy", "--out", "labels.csv")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "labeler: 'labels.csv' is there already; name another file, or replace it with --force\n"
    assert (home / "labels.csv").read_text() == "mine"
    assert command("export", "toy", "--out", "labels.csv", "--force").code == 0
    assert (home / "labels.csv").read_text().startswith("index,state,reason,label")
    assert command("export", "toy", "--out", "labels.csv", "--format", "jsonl", "--force").code == 2
    assert "ends in .jsonl or .csv, or give a --format" in command("export", "toy", "--out", "labels.xlsx").err


@pytest.mark.parametrize(("format", "begins"), [(["--format", "csv"], "index,state,"), ([], '{"dictionary"')])
def test_an_export_to_standard_output_is_what_a_file_would_hold(command, two_runs, home, format, begins):
    said = command("export", "toy", "--out", "-", *format)
    assert (said.code, said.err) == (0, "4 rows in standard output\n")
    assert said.out.startswith(begins)
    assert len(said.out.splitlines()) == 4 + (begins == "index,state,")
    assert not (home / "-").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "toy", "1"],
        ["show", "toy", "1", "--json"],
        ["status"],
        ["dictionaries"],
        ["export", "toy", "--out", "-"],
        ["--help"],
    ],
)
def test_a_reader_that_went_away_is_no_failure(two_runs, home, arguments):
    ours, theirs = os.pipe()
    os.close(ours)
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with os.fdopen(theirs, "w") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "labeler", *arguments], stdout=closed, stderr=subprocess.PIPE, cwd=home, env=here
        )
    assert (ended.returncode, ended.stderr) == (141, b"")


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


@pytest.mark.parametrize("stage", ["explain", "simulate", "judge"])
def test_of_a_dead_feature_no_request_is_shown_that_nobody_would_send(command, home, stage):
    said = command("prompt", "toy", "4", "--stage", stage)
    assert (said.code, said.out) == (2, "")
    assert "feature 4 is dead: nothing would be asked (never fired in the " in said.err
