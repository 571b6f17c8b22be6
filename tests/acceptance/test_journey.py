"""From one's own model, dictionary and corpus to an exported catalogue, as the README tells it."""

import csv
import json
import signal

import pytest

from tests.fakes.command import end, run, said, start, wait_until


@pytest.fixture(scope="module")
def collected(own_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    done = run(folder, *collect_command(own_files))
    assert done.returncode == 0, done.stderr
    assert "'mine': 64 features" in done.stdout
    return folder


def collect_command(own, corpus="corpus.jsonl", name="mine"):
    model, sae = str(own / "model"), str(own / "sae")
    return ["collect", "--model", model, "--dictionary", sae, "--corpus", str(own / corpus), "--as", name]


def test_a_dictionary_is_collected_labelled_shown_and_exported(collected):
    (listed,) = said(collected, "dictionaries")
    assert (listed["name"], listed["n_features"], listed["n_pool"]) == ("mine", 64, listed["n_contexts"])

    reported = said(
        collected, "label", "mine", "--features", "0-15", "--explainer", "lexical", "--simulator", "embedding"
    )
    assert reported["state"] == "finished"
    assert sum(reported["by_state"].values()) == 16

    shown = run(collected, "show", "mine", "3")
    assert shown.returncode == 0, shown.stderr
    assert "mine / 3" in shown.stdout
    assert "simulation.embedding" in shown.stdout
    assert "look-up" in shown.stdout

    assert run(collected, "export", "mine", "--out", "rows.jsonl").returncode == 0
    rows = [json.loads(line) for line in (collected / "rows.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(16))
    assert run(collected, "export", "mine", "--format", "csv", "--out", "rows.csv").returncode == 0
    with (collected / "rows.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == [row["label"] or "" for row in rows]

    (status,) = said(collected, "status")
    assert (status["dictionary"], status["state"]) == ("mine", "finished")
    whole = run(collected, "status", status["run"][:4])
    assert f"run {status['run']} is finished" in whole.stdout


def test_a_row_has_the_fields_that_scripts_rely_on(collected):
    reported = said(
        collected, "label", "mine", "--features", "20", "--explainer", "lexical", "--simulator", "embedding"
    )
    row = said(collected, "show", "mine", "20")["row"]
    assert row["provenance"]["run"] == reported["run"]
    assert set(row) == set(
        "dictionary model hook index state reason failure label description confidence side explainer alternatives headline "
        "scores controls statistics near_duplicates same_label imported cost provenance".split()
    )
    assert set(row["provenance"]) == set("run label_run held_out carried prompts evidence seed labeler".split())
    assert row["headline"] == "simulation.embedding"
    fields = "value low high n_contexts uniform_equivalent_n simulator null_percentile state reason sampling"
    assert set(row["scores"]["simulation.embedding"]) == set(fields.split())
    assert set(row["controls"]) >= {"lookup", "beats_lookup"}


@pytest.mark.long
def test_labels_are_scored_again_and_the_dictionary_is_reported_as_a_whole(collected):
    features = ["--features", "40-47"]
    labelled = said(
        collected, "label", "mine", *features, "--simulator", "lexical", "--scorer", "embedding_auc", "--precision", "1"
    )
    rescored = said(collected, "score", "mine", *features, "--simulator", "embedding")
    assert rescored["by_state"].get("labelled") == labelled["by_state"].get("labelled")
    with_label = [i for i in range(40, 48) if said(collected, "show", "mine", str(i))["row"]["state"] == "labelled"]
    row = said(collected, "show", "mine", str(with_label[0]))["row"]
    assert row["headline"] == "simulation.embedding"
    assert {"simulation.lexical", "simulation.embedding", "embedding_auc"} <= set(row["scores"])
    assert row["provenance"]["label_run"] == labelled["run"]

    lines = [json.dumps({"index": i, "label": text}) for i in with_label for text in ("the cat", "bread")]
    (collected / "mine.jsonl").write_text("\n".join(lines))
    done = run(collected, "score", "mine", "--labels", "mine.jsonl", "--scorer", "embedding_auc", *features)
    assert done.returncode == 0, done.stderr
    shown = run(collected, "show", "mine", str(with_label[0])).stdout
    assert "(file:mine.jsonl)" in shown
    assert "also considered" in shown

    report = said(collected, "report", "mine")
    assert sum(report["states"].values()) == report["n"]
    by_key = {headline["key"]: headline for headline in report["headlines"]}
    assert by_key["embedding_auc"]["score"]["n"] == len(with_label)
    assert report["cost"]["calls"] == 0
    told = run(collected, "report", "mine")
    assert told.returncode == 0, told.stderr
    assert "headline embedding_auc: mean" in told.stdout
    assert "runs: $0.00 for 0 calls" in told.stdout


def test_collecting_again_does_nothing_and_another_corpus_needs_another_name(collected, own_files):
    again = run(collected, *collect_command(own_files))
    assert again.returncode == 0
    other = run(collected, *collect_command(own_files, corpus="corpus.txt"))
    assert other.returncode == 2
    assert "'mine' exists and was collected from something else (corpus differ)" in other.stderr


@pytest.mark.long
def test_an_interrupted_collection_goes_on_and_ends_with_the_same_evidence(collected, own_files):
    command = collect_command(own_files, name="again")
    process = start(collected, *command)
    try:
        piece = collected / ".labeler/dictionaries/.collecting-again/parts/piece-00000.safetensors"
        wait_until(lambda: piece.exists() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        end([process])
    assert run(collected, *command).returncode == 0
    folders = [collected / ".labeler/dictionaries" / name for name in ("mine", "again")]
    first, second = ((folder / "features-00000.safetensors").read_bytes() for folder in folders)
    assert first == second


def test_the_same_from_python(collected):
    import labeler

    dictionary = labeler.open("mine", home=collected / ".labeler")
    labelling = dictionary.label([30, 31], explainers=["lexical"], simulators=["lexical"])
    assert labelling.work().failed == 0
    assert [row["index"] for row in labelling.rows()] == [30, 31]
    assert {row["index"] for row in dictionary.catalogue()} >= {30, 31}
    assert dictionary.evidence(30).of("explain")
