"""The base install, without torch: import, label over an API, look, export."""

import json
import subprocess
import sys

import pytest

from tests.fakes.command import environment
from tests.fakes.evidence import make_store
from tests.fakes.provider import ProviderThread, json_answer

BARE = "import sys; sys.modules.update(torch=None, transformers=None); from labeler.cli import main; main()"
"""The command in an interpreter in which neither can be imported."""


@pytest.fixture
def home(tmp_path):
    make_store(tmp_path / ".labeler")
    return tmp_path


def bare(folder, *arguments, code=BARE):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def chat(asked):
    """Explains by the first marked word, simulates by quoting the word that the explanation names."""
    if "<evidence>" in asked.prompt:
        word = asked.prompt.split("⟦")[1].split("⟧")[0].strip()
        return json_answer({"label": word, "description": "", "confidence": 0.9})
    word = asked.prompt.split("<explanation>\n")[1].split("\n")[0]
    active, silent = [], []
    for line in asked.prompt.split("<contexts>\n")[1].split("\n</contexts>")[0].splitlines():
        number, text = line.split("| ", 1)
        there = text.split().count(word)
        active += [f"{number}: {word}#{n + 1}=9" for n in range(there)]
        silent += [] if there else [int(number)]
    return json_answer({"active": active, "silent": silent})


def test_labels_are_made_over_an_api_and_exported(home):
    with ProviderThread(chat) as provider:
        name = f"openai:m@{provider.url}/v1"
        models = ("--explainer", name, "--simulator", name, "--contexts", "40", "--foreign", "3")
        done = bare(home, "label", "toy", *models, "--json")
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["by_state"] == {"labelled": 4, "dead": 1}
    assert bare(home, "export", "toy", "--out", "rows.jsonl").returncode == 0
    rows = [json.loads(line) for line in (home / "rows.jsonl").read_text().splitlines()]
    assert rows[3]["label"] == "penny"
    score = rows[3]["scores"]["simulation.sparse"]
    assert score["value"] > 0.9
    assert score["n_contexts"] == 40
    assert score["null_percentile"] == 100
    assert rows[3]["cost"]["calls"] > 4
    assert bare(home, "show", "toy", "3").returncode == 0
    assert bare(home, "status").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (
            ["label", "toy", "--simulator", "embedding"],
            "the sentence encoder 'all-minilm-l6-v2' needs the 'local' extra",
        ),
        (["label", "toy", "--simulator", "likelihood=local:smollm2-135m"], "needs the 'local' extra"),
        (["collect", "--model", "m", "--dictionary", "d", "--as", "x"], "collecting evidence needs the 'local' extra"),
        (["demo", "--live"], "the live demo needs the 'local' extra"),
    ],
)
def test_what_needs_torch_says_so(home, arguments, needs):
    refused = bare(home, *arguments)
    assert refused.returncode == 2
    assert needs in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_importing_the_package_imports_nothing_heavy(home):
    code = "import sys, labeler; print(sorted(m for m in ('torch', 'transformers', 'openai', 'celery') if m in sys.modules))"
    assert bare(home, code=code).stdout.strip() == "[]"
