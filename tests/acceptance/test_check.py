"""What `labeler check` finds: what is there, what is not, and what does not work; never a key."""

import json

import pytest

from eval.provider import Provider
from labeler import __version__
from labeler.llm.protocol import Address
from labeler.llm.quirks import ServerMemory
from tests.fakes.command import run, said, start

KEYS = {"OPENAI_API_KEY": "sk-quite-secret", "LABELER_API_KEYS": "gpu:8000=hush,other.example=hush2"}


@pytest.fixture(scope="module")
def provider():
    with Provider() as provider:
        yield provider


def areas(found):
    return {(one["area"], one["name"]): one for one in found}


def test_a_new_machine(tmp_path):
    found = areas(said(tmp_path, "check"))
    assert found["keys", "OPENAI_API_KEY"]["state"] == "absent"
    assert found["servers", "database"]["state"] == "ok"
    assert found["extras", "local"]["state"] == "ok"
    assert "float32" in found["machine", "models"]["said"]
    assert "GFLOP/s" in found["machine", "models"]["said"]


def test_keys_are_told_of_and_never_told(tmp_path):
    for arguments in ((), ("--json",)):
        done = run(tmp_path, "check", *arguments, OPENAI_BASE_URL="http://gpu.example:8000/v1", **KEYS)
        assert done.returncode == 0
        assert "gpu.example" in done.stdout
        assert "other.example" in done.stdout
        for key in ("quite-secret", "hush"):
            assert key not in done.stdout + done.stderr


def test_a_model_is_asked_only_when_it_is_named(tmp_path, provider):
    model = f"openai:small@{provider.url}/v1"
    assert run(tmp_path, "check").returncode == 0
    assert provider.totals().calls == 0
    done = run(tmp_path, "check", "--model", model)
    assert done.returncode == 0, done.stdout
    assert provider.totals().calls == 1
    assert "answered in" in done.stdout
    assert "for a million tokens in" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "settings", "name"),
    [
        (["--model", "openai:m@http://127.0.0.1:9/v1"], {}, "openai:m@http://127.0.0.1:9/v1"),
        (["--model", "anthropic:m"], {}, "anthropic:m"),
        ([], {"LABELER_BROKER_URL": "redis://:hush@127.0.0.1:9/0"}, "broker"),
        ([], {"LABELER_DATABASE_URL": "postgresql://me:hush@127.0.0.1:9/none"}, "database"),
    ],
)
def test_what_does_not_work_is_named_and_the_rest_is_still_looked_at(tmp_path, arguments, settings, name):
    done = run(tmp_path, "check", *arguments, "--json", **settings)
    assert done.returncode == 1, done.stderr
    failed = [one["name"] for one in json.loads(done.stdout) if one["state"] == "failed"]
    assert failed == [name]
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "name"),
    [
        (["--model", "nonsense"], {}, "nonsense"),
        ([], {"LABELER_MODELS": "nowhere.json"}, "LABELER_MODELS"),
        ([], {"LABELER_PRICES": "nowhere.json"}, "LABELER_PRICES"),
        ([], {"LABELER_LIMITS": "garbage"}, "LABELER_LIMITS"),
        ([], {"LABELER_API_KEYS": "hush"}, "LABELER_API_KEYS"),
    ],
)
def test_what_is_malformed_is_a_wrong_request_and_the_rest_is_still_looked_at(tmp_path, arguments, settings, name):
    done = run(tmp_path, "check", *arguments, "--json", **settings)
    assert done.returncode == 2, done.stderr
    found = json.loads(done.stdout)
    assert [one["name"] for one in found if one["state"] == "malformed"] == [name]
    assert {"machine", "keys", "models", "servers"} <= {one["area"] for one in found}
    assert "hush" not in done.stdout + done.stderr


def test_a_look_leaves_the_folder_as_it_was(tmp_path):
    for arguments in (["check"], ["status"], ["status", "abc"], ["dictionaries"], ["check", "--forget", "all"]):
        assert run(tmp_path, *arguments).returncode == (2 if "abc" in arguments else 0)
        assert list(tmp_path.iterdir()) == [], arguments


def test_a_terminal_without_our_signs_is_told_the_same_in_its_own(tmp_path):
    process = start(tmp_path, "check", PYTHONIOENCODING="ascii")
    shown, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    assert "  + local" in shown
    assert "  - OPENAI_API_KEY" in shown


def test_without_a_command_the_help_is_all_that_is_said(tmp_path):
    for arguments in ([], ["requests"]):
        done = run(tmp_path, *arguments)
        assert done.returncode == 2
        assert "Usage" in done.stdout
        assert done.stderr == ""


@pytest.mark.parametrize("columns", ["abc", "0", "-5", ""])
def test_a_width_that_is_none_is_as_if_it_was_not_set(tmp_path, columns):
    assert "no runs yet" in run(tmp_path, "status", COLUMNS=columns).stdout


def test_what_was_learned_is_shown_and_forgotten(tmp_path):
    home = tmp_path / ".labeler"
    home.mkdir()
    url = "http://127.0.0.1:9/v1"
    ServerMemory(home, Address("openai", "m", url)).remember("temperature", said="no temperature, please", times=2)
    shown = run(tmp_path, "check").stdout
    assert f"openai:m@{url}" in shown
    assert "takes no temperature (seen 2 times" in shown
    assert "1 lesson forgotten" in run(tmp_path, "check", "--forget", f"openai:m@{url}").stdout
    assert "takes no temperature" not in run(tmp_path, "check").stdout
    assert "0 lessons forgotten" in run(tmp_path, "check", "--forget", "all").stdout


def test_the_version_help_and_completion(tmp_path):
    assert run(tmp_path, "--version").stdout.strip() == f"labeler {__version__}"
    for arguments in (["-h"], ["label", "-h"], ["requests", "export", "-h"]):
        done = run(tmp_path, *arguments)
        assert done.returncode == 0
        assert "Usage" in done.stdout
    assert "install-completion" in run(tmp_path, "-h").stdout
