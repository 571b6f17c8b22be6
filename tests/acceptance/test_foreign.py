"""Somebody else's evidence, as the README brings it here; and dictionaries that are read from afar."""

import functools
import http.server
import json
import shutil
import threading

import pytest

from tests.fakes.command import run, said
from tests.fakes.foreign.saedashboard import save_saedashboard
from tests.fakes.foreign.toy import save_toy_contexts, toy_features


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    save_toy_contexts(folder / "their-export")
    done = run(folder, "import", "their-export", "--as", "theirs")
    assert done.returncode == 0, done.stderr
    assert "'theirs': 5 features" in done.stdout
    assert "without population counts" in done.stdout
    return folder


def test_foreign_evidence_is_labelled_shown_and_exported(imported):
    reported = said(imported, "label", "theirs", "--explainer", "lexical", "--simulator", "lexical")
    assert reported["state"] == "finished"
    assert reported["by_state"] == {"labelled": 4, "skipped": 1}
    shown = run(imported, "show", "theirs", "10")
    assert shown.returncode == 0, shown.stderr
    assert "simulation_top_and_random.lexical" in shown.stdout
    assert run(imported, "export", "theirs", "--out", "rows.jsonl").returncode == 0
    rows = [json.loads(line) for line in (imported / "rows.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == [0, 10, 20, 30, 40]
    assert rows[1]["scores"]["simulation_top_and_random.lexical"]["sampling"] == "top-and-random"


def test_a_range_means_the_features_that_are_here(imported):
    reported = said(imported, "label", "theirs", "--features", "5-25", "--simulator", "lexical")
    assert reported["total"] == 2


def test_what_is_here_is_listed_with_its_size_and_health(imported, tmp_path):
    (listed,) = said(imported, "dictionaries")
    assert (listed["name"], listed["n_features"], listed["source"], listed["health"]) == (
        "theirs",
        5,
        "contexts.jsonl",
        "ok",
    )
    assert listed["size"] > 1000
    copied = shutil.copytree(imported, tmp_path / "copied")
    file = copied / ".labeler/dictionaries/theirs/contexts-00000.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert run(copied, "dictionaries").returncode == 0  # as long as before: a quick look sees nothing
    looked = run(copied, "dictionaries", "--verify")
    assert looked.returncode == 1
    assert "contexts-00000.safetensors" in "".join(looked.stdout.split())
    file.write_bytes(data[:-3])
    assert run(copied, "dictionaries").returncode == 1


def test_a_dictionary_is_read_from_a_url(imported, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(imported / ".labeler"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        far = {
            "LABELER_DICTIONARIES": f"http://127.0.0.1:{server.server_port}/dictionaries",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        assert [each["name"] for each in said(tmp_path, "dictionaries", **far)] == ["theirs"]
        reported = said(tmp_path, "label", "theirs", "--features", "10,20", "--simulator", "lexical", **far)
        assert reported["by_state"] == {"labelled": 2}
        refused = run(tmp_path, "import", str(imported / "their-export"), "--as", "more", **far)
        assert refused.returncode == 2
        assert "LABELER_DICTIONARIES is a URL" in refused.stderr
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import", "nowhere", "--as", "x"], "nothing to import at 'nowhere'"),
        (["import", "empty", "--as", "x"], "of no known format"),
        (["import", "their-export", "--as", "../x"], "'../x' cannot name a dictionary"),
        (["import", "dashboard", "--as", "theirs"], "'theirs' exists and is something else"),
        (["import", "cut", "--as", "x"], "batch-0.json"),
    ],
)
def test_a_wrong_import_is_named_and_leaves_nothing(imported, arguments, says):
    (imported / "empty").mkdir(exist_ok=True)
    if not (imported / "dashboard").exists():
        save_saedashboard(imported / "dashboard", toy_features(40))
        whole = (imported / "dashboard" / "batch-0.json").read_text()
        (imported / "cut").mkdir()
        (imported / "cut" / "batch-0.json").write_text(whole[: len(whole) // 2])
    refused = run(imported, *arguments)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert sorted(path.name for path in (imported / ".labeler/dictionaries").iterdir()) == ["theirs"]
