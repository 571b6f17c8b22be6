"""Every wrong request gets one line that names the thing, exit status 2, and nothing half written."""

import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from tests.acceptance.test_journey import collect_command
from tests.fakes.command import run, said
from tests.fakes.dictionary import save_dictionary, weights
from tests.fakes.evidence import make_store


@pytest.fixture
def home(tmp_path):
    make_store(tmp_path / ".labeler")
    return tmp_path


PROGRESS = re.compile(r"(reading the corpus|loading .*): ")
"""What a machine that others load may say on the way to a refusal."""


def refused(folder, *arguments, **settings) -> str:
    """What a refused command says, after the checks that hold for all of them."""
    before = files(folder)
    done = run(folder, *arguments, **settings)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line and not PROGRESS.match(line)]
    assert len(lines) == 1, done.stderr
    assert files(folder) <= before, files(folder) - before
    return lines[0]


def files(folder) -> set[str]:
    """All files but the database's and the lock's, which any look at a catalogue may make."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith((".labeler/labeler.db", ".labeler/worker.lock"))}


LABEL = ["label", "toy", "--simulator", "lexical"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "toy", "5"], "feature 5 is out of range: 'toy' has features 0 to 4"),
        (["show", "none", "5"], "no dictionary 'none' in '.labeler/dictionaries' (here: toy)"),
        ([*LABEL, "--features", "0-9"], "feature 9 is out of range: there are features 0 to 4"),
        ([*LABEL, "--features", "x"], "'x' is no feature index"),
        ([*LABEL, "--features", "@nowhere"], "no file 'nowhere'"),
        ([*LABEL, "--explainer", "magic"], "unknown explainer 'magic'; known: llm, lexical"),
        ([*LABEL, "--explainer", "magic:model"], "unknown provider 'magic'"),
        ([*LABEL, "--explainer", "anthropic:claude-haiku-5-5"], "ANTHROPIC_API_KEY"),
        ([*LABEL, "--explainer", "openai:gpt-5-nano"], "OPENAI_API_KEY"),
        ([*LABEL, "--simulator", "sparse"], "simulator 'sparse' needs a language model"),
        ([*LABEL, "--simulator", "lexical"], "simulator 'lexical' is given twice"),
        ([*LABEL, "--simulator", "sparse=local:smollm2-135m"], "needs answers in a given form"),
        ([*LABEL, "--scorer", "magic"], "unknown scorer 'magic'"),
        ([*LABEL, "--scorer", "fuzzing"], "scorer 'fuzzing' needs a language model: fuzzing=provider:model"),
        ([*LABEL, "--scorer", "embedding_auc=openai:m"], "asks no language model"),
        ([*LABEL, "--scorer", "anthropic:claude-haiku-5-5"], "ANTHROPIC_API_KEY"),
        ([*LABEL, "--precision", "0"], "precision 0"),
        ([*LABEL, "--contexts", "1"], "cannot score on 1 contexts"),
        ([*LABEL, "--detach"], "LABELER_BROKER_URL"),
        ([*LABEL, "--bogus"], "--bogus"),
        (["score", "toy"], "no feature of 'toy' that was asked for has a label in the catalogue"),
        (["score", "toy", "--labels", "nowhere.csv"], "nowhere.csv: not a file that can be read"),
        (["score", "toy", "--labels", "."], "a folder without Neuronpedia's explanations"),
        (["score", "none"], "no dictionary 'none'"),
        (["report", "none"], "no dictionary 'none'"),
        (["status", "nothing"], "there is no run 'nothing'"),
        (["resume", "nothing"], "there is no run 'nothing'"),
        (["export", "toy", "--format", "xml", "--out", "x"], "'xml' is not an export format; use one of: jsonl, csv"),
        (["export", "toy", "--out", "no/such/folder/x"], "no/such/folder"),
        (["worker"], "LABELER_BROKER_URL"),
    ],
)
def test_a_wrong_request_is_named(home, arguments, says):
    assert says in refused(home, *arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("index,label\n7,war\n9,peace\n", "labels, line 2: feature 7 is out of range: 'toy' has features 0 to 4"),
        ('{"index": 1, "label": ""}\n', "has a label in 'labels'; there is nothing at labels, line 1 (feature 1)"),
        ('{"index": 1, "label": "\\u001b[31m' + "war " * 999 + '"}', "labels, line 1: the label of feature 1 has"),
    ],
)
def test_a_file_of_labels_with_a_bad_line_is_named_and_nothing_is_stored(home, text, says):
    (home / "labels").write_text(text)
    line = refused(home, "score", "toy", "--labels", "labels", "--simulator", "lexical")
    assert says in line
    assert said(home, "status") == []


@pytest.mark.parametrize("url", ["redis://:hunter2@127.0.0.1:1/0", "carrier-pigeon://hunter2@x"])
def test_a_broker_that_cannot_be_reached_is_named_and_nothing_is_stored(home, url):
    line = refused(home, *LABEL, LABELER_BROKER_URL=url)
    assert "cannot reach the broker" in line
    assert "hunter2" not in line
    assert said(home, "status") == []


def test_hostile_text_in_an_error_cannot_move_the_cursor(own_files, tmp_path):
    save_dictionary(tmp_path / "sae", architecture="\x1b[31mred\x07")
    command = collect_command(own_files)
    command[command.index("--dictionary") + 1] = "sae"
    line = refused(tmp_path, *command)
    assert "\x1b" not in line
    assert "\x07" not in line


def test_a_database_that_cannot_be_reached_is_named_without_its_password(home):
    url = "postgresql://me:hunter2@127.0.0.1:1/none"
    line = refused(home, *LABEL, LABELER_DATABASE_URL=url)
    assert "127.0.0.1" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--model": "./nowhere"}, "no model folder at './nowhere'"),
        ({"--dictionary": "nowhere"}, "no dictionary folder at 'nowhere'"),
        ({"--corpus": "nowhere.txt"}, "no corpus at 'nowhere.txt'"),
        ({"--as": "../escape"}, "'../escape' cannot name a dictionary"),
        ({"--tokens": "0"}, "cannot collect 0 tokens"),
    ],
)
def test_a_collection_of_what_is_not_there_is_refused(own_files, tmp_path, change, says):
    command = collect_command(own_files)
    for option, value in change.items():
        if option in command:
            command[command.index(option) + 1] = value
        else:
            command += [option, value]
    assert says in refused(tmp_path, *command)


def test_an_empty_corpus_is_refused(own_files, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    command = collect_command(own_files)
    command[command.index("--corpus") + 1] = "empty.txt"
    assert "corpus 'empty.txt' has no text" in refused(tmp_path, *command)
    assert list((tmp_path / ".labeler/dictionaries").iterdir()) == []


def test_a_corpus_of_one_document_is_refused_for_no_document_may_serve_two_purposes(own_files, tmp_path):
    (tmp_path / "one.txt").write_text("the cat sat on the mat " * 50)
    command = collect_command(own_files)
    command[command.index("--corpus") + 1] = "one.txt"
    assert "corpus 'one.txt' has too few documents" in refused(tmp_path, *command)


def test_a_line_without_text_is_refused_and_nothing_stays(own_files, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "the cat sat"}\n{"words": 3}\n')
    command = collect_command(own_files)
    command[command.index("--corpus") + 1] = "bad.jsonl"
    assert "bad.jsonl, line 2: no string field 'text'" in refused(tmp_path, *command)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (weights(d_model=16), "W_enc has shape [16, 64], but cfg.json says d_in, d_sae = [32, 64]"),
        ({**weights(), "b_enc": torch.full((64,), torch.inf)}, "b_enc holds NaN or infinite numbers"),
    ],
)
def test_a_dictionary_that_does_not_fit_its_configuration_is_refused(own_files, tmp_path, tensors, says):
    save_dictionary(tmp_path / "sae", tensors)
    command = collect_command(own_files)
    command[command.index("--dictionary") + 1] = "sae"
    assert says in refused(tmp_path, *command)


def test_a_dictionary_that_does_not_fit_its_model_is_refused(own_files, tmp_path):
    save_dictionary(tmp_path / "sae", weights(d_model=16), d_in=16)
    command = collect_command(own_files)
    command[command.index("--dictionary") + 1] = "sae"
    assert "reads 16 dimensions, but at blocks.0.hook_resid_post" in refused(tmp_path, *command)


def test_activations_that_are_not_finite_are_refused(own_files, tmp_path):
    """Finite weights, but so large that the activations are not."""
    huge = weights()
    huge["W_enc"] = huge["W_enc"] * 3e38
    save_dictionary(tmp_path / "sae", huge)
    command = collect_command(own_files)
    command[command.index("--dictionary") + 1] = "sae"
    assert "are NaN or infinite" in refused(tmp_path, *command)


def test_a_damaged_store_is_named(home):
    (home / ".labeler/dictionaries/toy/features-00000.safetensors").write_bytes(b"\x93NUMPY")
    assert "features-00000.safetensors: damaged" in refused(home, "show", "toy", "0")


def test_stored_activations_that_were_altered_are_named(home):
    path = home / ".labeler/dictionaries/toy/features-00000.safetensors"
    arrays = load_file(path)
    arrays["value"][:] = np.nan
    save_file(arrays, path)
    assert "features-00000.safetensors: damaged" in refused(home, "show", "toy", "0")


def test_a_manifest_of_another_kind_is_named(home):
    shutil.copy(home / ".labeler/dictionaries/toy/vocabulary.json", home / ".labeler/dictionaries/toy/manifest.json")
    assert "not the manifest of evidence" in refused(home, "show", "toy", "0")
