"""Commands where the machine has only ASCII: they say what they have to say."""

import json
import os
import subprocess
import sys

import pytest

from tests.fakes.command import environment
from tests.integration.cli.conftest import labelled, store_run

ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(folder, *arguments, **settings):
    """A command in a process of its own, and what it says in bytes."""
    command = [sys.executable, "-m", "labeler", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(**ASCII, **settings), capture_output=True, timeout=120)


@pytest.mark.parametrize("arguments", [["show", "toy", "0-4"], ["report", "toy"], ["status"], ["dictionaries"], ["-h"]])
def test_every_sign_is_written_in_ascii(home, catalogue, arguments):
    store_run(catalogue, {0: labelled("le café, 犬 …", 0.5), 1: labelled("\U0001f415", None, state="undefined")})
    done = run(home, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"Traceback" not in done.stderr
    if arguments[0] == "show":
        assert b"le cafe, ? ..." in done.stdout


def test_names_of_files_in_any_encoding_are_no_error(home, catalogue):
    store_run(catalogue, {0: labelled("months", 0.5)})
    done = run(home, "export", "toy", "--out", os.fsdecode("é".encode("latin-1") + b".jsonl"))
    assert (done.returncode, done.stderr) == (0, b"")
    (exported,) = (name for name in os.listdir(os.fsencode(home)) if name.endswith(b".jsonl"))
    assert json.loads((home / os.fsdecode(exported)).read_text())["label"] == "months"


def test_a_name_that_the_machine_cannot_write_is_one_line(home):
    (home / ".env").write_text("LABELER_HOME=dictionnaires-é\n", encoding="utf-8")
    done = run(home, "label", "toy")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
