"""A run whose questions go out as files and whose answers come back as files: no key, no server, no network."""

import json
import subprocess
import sys

import pytest

from tests.fakes.command import environment, run, said
from tests.fakes.evidence import make_store

MODELS = [
    "--explainer",
    "openai:gpt-5-nano",
    "--simulator",
    "anthropic:claude-haiku-4-5",
    "--contexts",
    "20",
    "--foreign",
    "3",
]

ANSWERER = """
import json, pathlib, sys
from eval.provider.rules import answer
asked, answers = map(pathlib.Path, sys.argv[1:])
answers.mkdir(exist_ok=True)
for file in asked.glob("*.jsonl"):
    with (answers / file.name.replace("requests", "answers")).open("w") as out:
        for line in file.open():
            asked_for = json.loads(line)
            body = asked_for["body"]
            text = answer(body["messages"][-1]["content"], body["response_format"]["json_schema"]["schema"])
            message = {"role": "assistant", "content": text}
            completion = {
                "object": "chat.completion",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 90, "completion_tokens": 9, "total_tokens": 99},
            }
            response = {"status_code": 200, "request_id": "r", "body": completion}
            print(json.dumps({"id": "b", "custom_id": asked_for["custom_id"], "response": response, "error": None}), file=out)
"""


@pytest.fixture
def home(tmp_path):
    make_store(tmp_path / ".labeler")
    return tmp_path


def begin(home):
    found = said(home, "label", "toy", *MODELS, "--offline")
    assert found["state"] == "running"
    assert found["pending"] == 4
    return found["run"]


LENGTHY = ANSWERER.replace(
    "response =",
    """n = len(json.dumps(body)) // 4
            said = f"This model's maximum context length is 2048 tokens. However, your messages resulted in {n} tokens."
            refused = {"status_code": 400, "body": {"error": {"message": said, "code": "context_length_exceeded"}}}
            response = refused if n > 1_500 else""",
)
"""The same for a model that takes no more than 2,048 tokens at a time."""


def answer(home, asked, answers, by=ANSWERER):
    """A process of its own answers all that was asked."""
    command = [sys.executable, "-c", by, str(home / asked), str(home / answers)]
    subprocess.run(command, check=True, env=environment(), timeout=60)


@pytest.mark.parametrize("by", [ANSWERER, pytest.param(LENGTHY, marks=pytest.mark.long)])
def test_a_run_is_driven_to_its_end_through_files(home, by):
    run_id = begin(home)
    for stage in range(16):
        asked, answers = f"asked-{stage}", f"answers-{stage}"
        exported = said(home, "requests", "export", run_id, "--out", asked)
        assert exported["requests"] > 0
        answer(home, asked, answers, by)
        imported = said(home, "requests", "import", run_id, answers)
        if imported["state"] == "finished":
            break
    assert imported["by_state"] == {"labelled": 4, "dead": 1}
    assert imported["pending"] == 0
    assert run(home, "export", "toy", "--out", "rows.jsonl").returncode == 0
    rows = [json.loads(line) for line in (home / "rows.jsonl").read_text().splitlines()]
    assert rows[3]["label"] == 'the word "penny"'
    assert rows[3]["scores"]["simulation.sparse"]["value"] > 0.9
    assert rows[3]["scores"]["simulation.sparse"]["null_percentile"] is not None
    assert rows[3]["cost"]["input_tokens"] == 90 * rows[3]["cost"]["calls"]


@pytest.mark.long
def test_lines_that_cannot_be_used_are_named_and_the_rest_is_used(home):
    run_id = begin(home)
    said(home, "requests", "export", run_id, "--out", "asked")
    answer(home, "asked", "answers")
    (file,) = (home / "answers").glob("*.jsonl")
    first, second, third, _ = lines = file.read_text().splitlines()
    failed = json.loads(third) | {"response": {"status_code": 500, "request_id": "r", "body": {"error": "overloaded"}}}
    stranger = json.loads(first) | {"custom_id": "nobody"}
    bad = [
        first,
        second[: len(second) // 2],
        json.dumps(failed),
        json.dumps(stranger),
        first,
        "[1]",
        '{"custom_id": 7}',
    ]
    file.write_text("\n".join(bad) + "\n")
    done = run(home, "requests", "import", run_id, "answers")
    assert done.returncode == 0, done.stderr
    assert "1 answer taken, 3 requests still without one" in done.stderr
    for at, kind in (
        (2, "malformed"),
        (3, "failed"),
        (4, "unknown"),
        (5, "doubled"),
        (6, "malformed"),
        (7, "malformed"),
    ):
        assert f"{file.name}:{at}: {kind}: " in done.stderr
    assert "Traceback" not in done.stderr
    file.write_text("\n".join(lines) + "\n")  # the first of them has led to another question meanwhile
    again = run(home, "requests", "import", run_id, "answers")
    assert "3 answers taken, 1 request still without one" in again.stderr


def test_what_is_wrong_is_said_in_one_line(home):
    run_id = begin(home)
    (home / "empty").mkdir()
    direct = said(home, "label", "toy", "--explainer", "lexical", "--simulator", "lexical")["run"]
    wrong = {
        ("import", run_id, "nowhere"): "no folder 'nowhere'",
        ("import", run_id, "empty"): "no .jsonl file with answers",
        ("import", "zzzz", "empty"): "there is no run 'zzzz'",
        ("export", direct, "--out", "asked"): "asks its models by itself",
    }
    for arguments, what in wrong.items():
        done = run(home, "requests", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert what in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_budgets_and_log_probabilities_have_no_place_in_files(home):
    for more, what in (
        (["--budget", "1"], "leave out --budget"),
        (["--batch"], "choose one"),
        (["--simulator", "logprob=openai:m@http://127.0.0.1:9/v1"], "needs log-probabilities"),
    ):
        done = run(home, "label", "toy", *MODELS, "--offline", *more)
        assert done.returncode == 2
        assert what in done.stderr
    assert said(home, "status") == []
