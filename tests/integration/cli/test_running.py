"""Runs as a person sees them: where they are, stopped, gone on with, left to others."""

import json
import re
import time

import pytest

from labeler.catalogue import records
from labeler.catalogue.records import ControlOutcome, LabelOutcome, NewFeature, NewRun
from labeler.cli import display
from labeler.evidence.importers.base import MAX_INDEX
from labeler.settings import settings
from tests.integration.catalogue.building import failed
from tests.integration.cli.conftest import KEY, features, labelled, store_run


def open_run(catalogue, n=3):
    """A run of which nothing is done."""
    config = {"headline": KEY, "null_sample": [], "labelling": {"dictionary": "toy", "labels": "given"}}
    config["labelling"] |= {"simulators": ["lexical"]}
    return catalogue.create_run(NewRun(dictionary="toy", config=config, features=features(*range(n))))


def finish_nulls(catalogue, run_id):
    for claim in catalogue.claim(99, 60.0, 1e9, [run_id]):
        assert claim.stage == "control"
        assert catalogue.finish_control(claim, ControlOutcome())


@pytest.fixture
def wide(monkeypatch):
    """A terminal of any width."""

    def of(width):
        monkeypatch.setattr(display.out, "_width", width)

    return of


def test_what_is_open_is_told_apart_from_what_waits_for_the_null(command, catalogue):
    run_id = open_run(catalogue)
    (claim,) = catalogue.claim(1, 60.0, 0.0, [run_id])
    catalogue.finish_label(claim, labelled("months", 0.5))

    said = command("status", run_id).out
    assert re.match(f"run {run_id} is \\w+: 1 labelled; 2 features are waiting, 1 label to be compared", said)
    (one,) = json.loads(command("status", "--json").out)
    assert (one["open"], one["in_control"], one["done"], one["total"]) == (2, 1, 0, 3)
    assert json.loads(command("status", run_id, "--json").out)["open"] == 2
    said = command("status").out
    header, row = [line.split() for line in said.splitlines() if "toy" in line or "labelled" in line]
    assert header[3:9] == ["labelled", "open", "to", "the", "null", "of"], "no feature ended otherwise"
    assert row[3:7] == ["1", "2", "1", "3"]
    assert "open: features that have no label yet\n" in said
    assert "to the null: labels still to be compared with those of other features (the null)\n" in said
    assert "unclear:" not in said


@pytest.mark.parametrize("width", [30, 60, 80, 100, 160])
def test_ids_are_whole_at_any_width(command, catalogue, wide, width):
    ids = [store_run(catalogue, {0: labelled("months", 0.5)}, dictionary="d" * length) for length in (3, 40)]
    wide(width)
    said = command("status").out
    assert all(sum(run_id in line for line in said.splitlines()) == 1 for run_id in ids)
    assert said.count("score given labels") == said.count("$0.00") == 2  # nor are words broken
    assert all(f"run {run_id} is " in command("status", run_id).out for run_id in ids)
    cancelled = command("cancel", ids[0]).out
    assert cancelled == f"run {ids[0]} is cancelled; to go on: labeler resume {ids[0]}\n"


def test_a_run_that_nobody_works_on_says_how_it_goes_on(command, catalogue, monkeypatch):
    run_id = open_run(catalogue)
    (claim,) = catalogue.claim(1, 60.0, time.time(), [run_id])

    def told():
        (one,) = json.loads(command("status", "--json").out)
        assert one["state"] == "running"  # what is stored is what it was
        return one["activity"], command("status").out, command("status", run_id).out

    activity, every, one = told()
    assert (activity, "resume" in every + one) == ("running", False)
    catalogue.release([claim], 0.0)
    monkeypatch.setattr(records, "SETTLING", -1e6)
    activity, every, one = told()
    assert activity == "stopped"
    assert f"{run_id} is stopped; to go on: labeler resume {run_id}\n" in every
    assert one.startswith(f"run {run_id} is stopped: ")
    assert f"to go on: labeler resume {run_id}\n" in one


def test_in_a_fleet_a_run_that_nobody_works_on_waits_for_a_worker(command, catalogue, monkeypatch):
    run_id = open_run(catalogue)
    monkeypatch.setenv("LABELER_BROKER_URL", "redis://127.0.0.1:6379/0")
    assert f"no worker is at {run_id}; to start one: labeler worker\n" in command("status").out
    assert command("status", run_id).out.startswith(f"run {run_id} is waiting: ")


def test_what_a_run_does_and_what_cannot_be_explained_have_columns(command, catalogue):
    never = NewFeature(index=9, statistics={}, state="dead", reason="never active")
    config = {"headline": KEY, "null_sample": [], "labelling": {"dictionary": "toy", "labels": "imported"}}
    config["labelling"] |= {"simulators": ["lexical"], "scorers": ["detection=openai:m"]}
    run_id = catalogue.create_run(NewRun(dictionary="toy", config=config, features=[*features(0), never]))
    header, row = [line.split() for line in command("status").out.splitlines() if "toy" in line or "labelled" in line]
    assert row[header.index("dead")] == "1"
    does = "score imported labels; simulate by lexical; judge by detection=openai:m"
    assert " ".join(row).endswith(does)
    assert command("status", run_id).out.endswith(f"of toy: {does}\n")


def test_a_finished_run_cannot_be_cancelled_and_says_so(command, catalogue):
    run_id = store_run(catalogue, {0: labelled("months", 0.5)})
    finish_nulls(catalogue, run_id)
    said = command("cancel", run_id[:5])
    assert (said.code, said.out) == (0, f"run {run_id} is finished already; there is nothing to cancel\n")
    assert f"run {run_id} is finished" in command("status", run_id).out


def test_a_run_that_finishes_while_it_is_cancelled_is_told_as_finished(command, catalogue):
    run_id = store_run(catalogue, {0: labelled("months", 0.5)})
    (claim,) = catalogue.claim(1, 60.0, 1e9, [run_id])
    assert "is cancelled" in command("cancel", run_id).out
    assert catalogue.finish_control(claim, ControlOutcome())
    assert f"run {run_id} is finished" in command("status", run_id).out
    assert "finished" in command("status").out


@pytest.fixture
def rung(monkeypatch, home):
    """A broker that answers, and how often it was rung."""
    rings = []
    monkeypatch.setenv("LABELER_BROKER_URL", "redis://127.0.0.1:6379/0")
    monkeypatch.setattr("workers.app.reach", lambda chosen: None)
    monkeypatch.setattr("labeler.workers.app.ring", lambda app: rings.append(app))
    return rings


def test_a_run_is_gone_on_with_by_workers_alone(command, catalogue, rung):
    run_id = open_run(catalogue)
    catalogue.cancel(run_id)
    said = command("resume", run_id, "--detach")
    assert (said.code, said.out) == (0, f"run {run_id}: 3 features are waiting; labeler status {run_id}\n")
    assert catalogue.run(run_id).state == "running"
    assert len(rung) == 1


def test_what_failed_is_tried_again_by_workers_alone(command, catalogue, rung):
    run_id = store_run(catalogue, {0: failed(), 1: failed()})
    said = command("retry", run_id, "--detach")
    assert said.out == f"run {run_id}: 2 features are waiting; labeler status {run_id}\n"
    assert said.err == "2 failed features to be tried again\n"
    assert len(rung) == 1


@pytest.fixture
def troubled(catalogue):
    """A run of which three features failed, in two ways."""
    refused, cut = (LabelOutcome(state="failed", reason=f"m: {kind}", failure=kind) for kind in ("refusal", "cut"))
    return store_run(catalogue, {0: refused, 1: cut, 2: refused})


def test_failures_are_told_by_their_kind(command, catalogue, troubled):
    said = command("status", troubled).out
    assert "failed: 2 refusal, 1 cut; the first, feature 0: m: refusal" in said
    assert f"labeler retry {troubled} [--kind refusal]" in said
    assert f"{troubled} failed: 2 refusal, 1 cut" in command("status").out
    assert "failed: 2 refusal, 1 cut" in command("report", "toy").out
    assert json.loads(command("report", "toy", "--json").out)["failures"] == {"refusal": 2, "cut": 1}
    assert json.loads(command("status", troubled, "--json").out)["failures"] == {"refusal": 2, "cut": 1}


def test_failures_are_tried_again_by_their_kind(command, catalogue, troubled, rung):
    said = command("retry", troubled, "--kind", "refusal", "--kind", "busy", "--detach")
    assert said.err == "2 failed features to be tried again\n"
    assert catalogue.progress(troubled).failures == {"cut": 1}
    assert command("retry", troubled, "--detach").err == "1 failed feature to be tried again\n"


def test_a_kind_that_there_is_none_of_is_answered_with_those_there_are(command, catalogue, troubled):
    refused = command("retry", troubled, "--kind", "refused")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("labeler: 'refused' is no kind of failure; there are: refusal, too-long, cut, ")
    assert catalogue.progress(troubled).failed == 3


def test_a_finished_run_rings_nobody(command, catalogue, rung):
    run_id = store_run(catalogue, {0: labelled("months", 0.5)})
    finish_nulls(catalogue, run_id)
    assert re.match(rf"run {run_id} is finished: 1 labelled; ", command("resume", run_id, "--detach").out)
    assert rung == []


@pytest.mark.parametrize("what", ["resume", "retry"])
def test_without_a_broker_nothing_is_left_to_anybody(command, catalogue, what):
    run_id = store_run(catalogue, {0: failed()})
    refused = command(what, run_id, "--detach")
    assert refused.code == 2
    assert "LABELER_BROKER_URL" in refused.err
    assert catalogue.progress(run_id).failed == 1
    settings.cache_clear()


def test_a_run_ends_with_its_mean_and_commands_that_can_be_typed(command, home):
    said = command("label", "toy", "--features", "0-3", "--simulator", "lexical", "--scorer", "embedding_auc")
    assert said.code == 0
    first, mean, *besides, following = said.out.splitlines()
    assert re.fullmatch(r"run \w{12} is finished: 4 labelled; nothing asked of anyone", first)
    assert re.match(r"simulation.lexical: mean \+0.\d{3} \[\+0.\d{3} \+0.\d{3}\].* over 4 features", mean)
    assert [line.partition(":")[0] for line in besides] == ["embedding_auc"]
    assert following == "next: labeler show toy --best 4; labeler report toy"
    for typed in following.removeprefix("next: ").split("; "):
        assert command(*typed.split()[1:]).code == 0


def test_a_later_run_is_named_in_the_commands_that_follow_it(command, home):
    command("label", "toy", "--features", "0-3", "--simulator", "lexical")
    for arguments in (["label", "toy", "--features", "1"], ["score", "toy", "--features", "1"]):
        said = command(*arguments, "--simulator", "lexical").out
        (run_id,) = re.findall(r"run (\w{12}) is finished: 1 labelled", said)
        assert "mean +" in said
        assert (
            f"over 1 feature (no interval: fewer than 4 features)\nnext: labeler show toy --best 1 --run {run_id}"
            in said
        )
        typed = said.splitlines()[-1].removeprefix("next: ").split("; ")[-1]
        assert typed == f"labeler report toy --run {run_id}"
        assert f"toy, run {run_id}: 1 feature, 1 labelled" in command(*typed.split()[1:]).out


def test_for_another_program_a_run_ends_in_nothing_but_json(command, home):
    said = command("label", "toy", "--features", "0-3", "--simulator", "lexical", "--json")
    assert json.loads(said.out)["by_state"] == {"labelled": 4}


def test_a_row_of_a_label_file_that_is_left_out_is_told_once_and_the_rest_is_scored(command, home):
    rows = ["0,months", "1,", "99,war", "3,days", "x,war", "3,DAYS", "0,spring", "4,never"]
    (home / "labels.csv").write_text("\n".join(["index,label", *rows]))
    said = command("score", "toy", "--labels", "labels.csv", "--simulator", "lexical")
    assert said.code == 0
    assert "is finished: 1 dead, 2 labelled" in said.out
    told = [line for line in said.err.splitlines() if line.startswith(("left out", "chosen"))]
    assert told == [
        "left out, for their index is none: 1 label: labels.csv, line 6: 'index' is 'x', expected a feature's index, "
        f"0 to {MAX_INDEX}",
        "left out, for there is no such feature: 1 label: labels.csv, line 4 (feature 99)",
        "left out, for their label is empty: 1 label: labels.csv, line 3 (feature 1)",
        "left out, for they say what another label of their feature does: 1 label: labels.csv, line 7 (feature 3)",
        "left out, for their feature never fires in the contexts here: 1 label: feature 4",
        "chosen between, for their feature has several: 2 labels of 1 feature; labeler show names the others",
        "left out, for they have no label: 1 feature",
    ]
