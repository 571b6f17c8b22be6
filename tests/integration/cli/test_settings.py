"""Settings that are wrong are named, with where they were read from; a home may have any name."""

import json
import os

import pytest

from labeler import api
from labeler.settings import settings
from tests.fakes.evidence import make_store
from tests.integration.cli.conftest import labelled, store_run

LABEL = ["label", "toy", "--features", "0", "--simulator", "lexical"]
HAIKU = [*LABEL, "--explainer", "anthropic:claude-haiku-5-5"]
NANO = [*LABEL, "--explainer", "openai:gpt-5-nano"]

WRONG = {
    "LABELER_PRICES": ("nowhere.json", NANO),
    "LABELER_MODELS": ("nowhere.json", NANO),
    "LABELER_LIMITS": ("openai:gpt-5-nano=many", NANO),
    "LABELER_API_KEYS": ("no-host", [*LABEL, "--explainer", "openai:m@http://127.0.0.1:9/v1"]),
    "OPENAI_BASE_URL": ("http://user:hunter2@host/v1", NANO),
    "OPENAI_API_KEY": ("a key with blanks", NANO),
    "ANTHROPIC_API_KEY": ("a key with blanks", HAIKU),
    "LABELER_DATABASE_URL": ("sqlite:///file/in/a/file.db", LABEL),
    "LABELER_BROKER_URL": ("redis://:hunter2@127.0.0.1:1/0", LABEL),
    "LABELER_DICTIONARIES": ("file", ["show", "toy", "1"]),
}
"""What is wrong with each setting, and a command that meets it."""


@pytest.fixture(params=["the environment", ".env"])
def place(request, home, monkeypatch):
    """Writes a setting into one of the two places."""
    (home / "file").write_text("")

    def put(**values):
        for variable, value in values.items():
            if request.param == ".env":
                with (home / ".env").open("a") as file:
                    file.write(f"{variable}='{value}'\n")
            else:
                monkeypatch.setenv(variable, value)
        return request.param

    return put


@pytest.mark.parametrize("variable", WRONG)
def test_a_setting_that_is_wrong_is_named_with_where_it_was_read_from(command, home, place, variable):
    value, arguments = WRONG[variable]
    where = place(**{"OPENAI_API_KEY": "sk-good", "ANTHROPIC_API_KEY": "sk-good", variable: value})
    refused = command(*arguments)
    assert (refused.code, refused.out) == (2, "")
    (line,) = refused.err.splitlines()
    assert f"{variable} (from {where})" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("arguments", [LABEL, ["collect"]], ids=lambda arguments: arguments[0])
def test_a_home_that_cannot_be_is_named(command, home, place, arguments):
    if arguments == ["collect"]:
        (home / "text.txt").write_text("A text.\n\nAnother one.")
        arguments = "collect --model smollm2-135m --dictionary neurons --hook blocks.3.mlp.hook_post --as x".split()
        arguments += ["--corpus", "text.txt"]
        where = place(LABELER_HOME="file")
    else:
        where = place(LABELER_HOME="file", LABELER_DICTIONARIES=str(home / ".labeler/dictionaries"))
    refused = command(*arguments)
    assert refused.code == 2
    line = refused.err.splitlines()[-1]
    assert f"LABELER_HOME (from {where})" in line
    assert "Traceback" not in refused.err


def test_what_nobody_set_is_not_blamed(command, home):
    refused = command("show", "none", "1")
    assert "LABELER_" not in refused.err


NAMES = ["a?b", "a#b", "a%20b", "a b", "~", "a~b", "ü", "a?mode=ro#x%y ~"]


@pytest.mark.parametrize("name", NAMES)
def test_a_home_may_have_any_name(command, tmp_path, monkeypatch, home, name):
    place = tmp_path / "homes" / name
    make_store(place)
    monkeypatch.setenv("LABELER_HOME", str(place))
    finished = command(*LABEL, "--json")
    assert finished.code == 0, finished.err
    assert (place / "labeler.db").is_file()
    assert sorted(os.listdir(tmp_path / "homes")) == [name]
    run = json.loads(finished.out)["run"]
    assert [one["run"] for one in json.loads(command("status", "--json").out)] == [run]
    assert command("show", "toy", "0").code == 0
    assert command("export", "toy", "--out", "rows.jsonl").code == 0


@pytest.mark.parametrize("file", [True, False], ids=[".env", "environment"])
def test_a_tilde_is_the_home_directory_once(command, tmp_path, monkeypatch, home, file):
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    make_store(tmp_path / "user" / "~mine")
    if file:
        (home / ".env").write_text("LABELER_HOME=~/~mine\n")
    else:
        monkeypatch.setenv("LABELER_HOME", "~/~mine")
    assert command("show", "toy", "0").code == 0
    store_run(api.open_catalogue(settings()), {0: labelled("months", 0.5)})
    assert (tmp_path / "user" / "~mine" / "labeler.db").is_file()
    assert "toy" in command("status").out
