"""What an import promises and proposes is what then comes about: the printed command is run as it stands."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from labeler import api
from labeler.cli.app import app
from labeler.settings import settings
from tests.fakes import encoding
from tests.fakes.environment import clean
from tests.fakes.foreign.circuit_tracer import save_circuit_tracer
from tests.fakes.foreign.delphi import save_delphi, some_activations
from tests.fakes.foreign.examples import EXAMPLES
from tests.fakes.foreign.neuron_records import save_neuron_records
from tests.fakes.foreign.neuronpedia import save_neuronpedia
from tests.fakes.foreign.saedashboard import save_saedashboard
from tests.fakes.foreign.sample import save_rows
from tests.fakes.foreign.toy import save_toy_contexts, toy_features
from tests.fakes.tiny_model import tiny_tokenizer

FEW = (0, 1, 1, 2, 3, 5, 8, 30)
"""Firing contexts of each feature: many of them are in no context of some split."""


def few() -> dict:
    """Features at scattered indices, most of them with hardly a context."""
    of_rule = toy_features(400, with_silent=6)
    firing = {at: [w for w in windows if max(w[1]) > 0] for at, windows in of_rule.items()}
    silent = [w for w in of_rule[0] if max(w[1]) == 0]
    return {6 + 11 * n * n: [*firing[10 * (n % 3)][3 * n : 3 * n + k], *silent] for n, k in enumerate(FEW)}


def save_few_delphi(folder):
    tiny_tokenizer().save_pretrained(folder / "model")
    dense = some_activations()
    dense[..., :6] = 0
    for index in range(1, 6):  # they fire on one token alone, and the first nowhere
        dense[index, 2 * index + 1, index] = 1.5
    return save_delphi(folder, dense, model=str(folder / "model"))


WRITERS = {
    "Neuronpedia export": lambda folder: save_neuronpedia(folder, few()),
    "SAEDashboard": lambda folder: save_saedashboard(folder, few()),
    "neuron records (Bills et al.)": lambda folder: save_neuron_records(folder, few()),
    "circuit-tracer features": lambda folder: save_circuit_tracer(folder, few()),
    "contexts.jsonl": lambda folder: save_toy_contexts(folder, few()),
    "Delphi cache": save_few_delphi,
}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command in a home of its own; returns what it printed."""
    clean(monkeypatch)
    encoding.install(monkeypatch, tmp_path / "cache")
    monkeypatch.setenv("LABELER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, (done.output, done.exception)
        return " ".join(done.stdout.split())

    yield run
    settings.cache_clear()


def promised(said: str, n: int) -> tuple[int, int]:
    """How many features are said to be explained, and how many of the labels scored."""
    if "all of them can be explained and scored" in said:
        return n, n
    found = re.search(r"([\d,]+) of them can be explained, and ([\d,]+) of these labels scored", said)
    return int(found[1]), int(found[2])


def test_every_format_is_tried():
    assert set(WRITERS) == {example.name for example in EXAMPLES}


@pytest.mark.parametrize("name", WRITERS)
def test_the_numbers_said_are_those_of_a_run_over_everything(tmp_path, command, name):
    WRITERS[name](tmp_path / "theirs")
    said = command("import", "theirs", "--as", "few")
    dictionary = api.open("few")
    explained, scored = promised(said, len(dictionary))
    assert 0 < scored <= explained < len(dictionary)
    run = dictionary.label(simulators=["embedding"])
    run.work()
    rows = list(run.rows())
    assert sum(row["state"] in ("labelled", "unclear") for row in rows) == explained
    values = [next(iter(row["scores"].values()))["value"] for row in rows if row["state"] == "labelled"]
    assert sum(value is not None for value in values) == scored


@pytest.mark.parametrize("name", WRITERS)
def test_the_proposed_command_runs_and_every_feature_that_it_names_is_scored(tmp_path, command, name):
    WRITERS[name](tmp_path / "theirs")
    said = command("import", "theirs", "--as", "few")
    proposed = shlex.split(said[said.index("next: ") + len("next: ") :])
    assert proposed[:2] == ["labeler", "label"]
    command(*proposed[1:])
    (run,) = api.runs()
    rows = list(run.rows())
    assert rows
    assert {row["state"] for row in rows} == {"labelled"}
    assert all(row["scores"][row["headline"]]["value"] is not None for row in rows)


def test_where_nothing_can_be_explained_no_labelling_is_proposed(tmp_path, command):
    silent = {7: [([" no", "thing"], [0.0, 0.0])], 9: [([" nor", " here"], [0.0, 0.0])]}
    save_toy_contexts(tmp_path, silent)
    said = command("import", "contexts.jsonl", "--as", "silent")
    assert "0 of them can be explained" in said
    proposed = shlex.split(said[said.index("next: ") + len("next: ") :])
    shown = command(*proposed[1:])
    assert "labeler label" not in shown


def test_labels_that_came_along_are_shown_and_the_command_that_scores_them_runs(tmp_path, command):
    save_neuronpedia(tmp_path / "theirs", few())
    rows = [{"index": str(index), "description": f"label of {index}"} for index in (*few(), 1)]
    save_rows(tmp_path / "theirs" / "explanations" / "batch-0.jsonl.gz", rows)
    said = command("import", "theirs", "--as", "few")
    assert f"{len(few())} features came with labels of others" in said
    assert "label of 17 (file:explanations)" in command("show", "few", "17")
    proposed = shlex.split(re.search(r"to score them: (labeler .*?) next:", said)[1])
    command(*proposed[1:])
    (run,) = api.runs()
    states = {row["state"] for row in run.rows()}
    assert states == {"labelled", "skipped"}, "one never fires"
    assert "label of 17" in command("show", "few", "17")


def test_an_export_around_what_was_named_is_named_on_screen(tmp_path, command):
    save_neuronpedia(tmp_path / "zip" / "6-res-jb", few())
    assert "taken: 'zip/6-res-jb'" in command("import", "zip", "--as", "one")
    assert "taken: '" not in command("import", "zip/6-res-jb", "--as", "two")
    assert "6-res-jb' " in command("import", "zip/6-res-jb/explanations", "--as", "three")


def test_without_the_encoder_the_command_names_a_simulator_that_runs(tmp_path, command, monkeypatch):
    monkeypatch.setattr("labeler.cli.running.encoder_available", lambda: False)
    save_toy_contexts(tmp_path / "toy")
    assert "--simulator lexical" in command("import", "toy", "--as", "toy")


def test_what_a_file_of_labels_leaves_out_is_named_and_the_rest_is_scored(tmp_path, command):
    save_toy_contexts(tmp_path / "theirs")
    command("import", "theirs", "--as", "toy")
    (tmp_path / "labels.csv").write_text("neuron;interpretation\n0;march or june\n10;\n30;promotes coins\n")
    done = CliRunner().invoke(app, ["score", "toy", "--labels", "labels.csv", "--simulator", "lexical"])
    assert done.exit_code == 0, done.output
    told = " ".join(done.stderr.split())
    assert "left out, for their label is empty: 1 label: labels.csv, line 3 (feature 10)" in told
    assert "not scored, for their label says what they promote: 1 feature (--output-labels)" in told
    (run,) = api.runs()
    assert {row["index"]: row["side"] for row in run.rows()} == {0: "input", 30: "output"}
    shown = command("show", "toy", "30")
    assert "not scored: it says what the feature promotes, not what makes it fire; --output-labels" in shown
