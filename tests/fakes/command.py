"""The ``labeler`` command: to its end in a process forked off the libraries, or started as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.fakes import forked

_OURS = ("ANTHROPIC_", "OPENAI_", "LABELER_")


def environment(**settings: str) -> dict[str, str]:
    """The environment without anybody's keys and settings, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "COLUMNS": "140", **settings}


def start(folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start a command in a folder; the caller sees to its end."""
    return subprocess.Popen(
        [sys.executable, "-m", "labeler", *arguments],
        cwd=folder,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *arguments: str, timeout: float = 240, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with tempfile.TemporaryDirectory(prefix="labeler-said-") as output:
        return forked.run(folder, arguments, environment(**settings), Path(output), timeout)


def said(folder: Path, *arguments: str, **settings: str) -> Any:
    """What a command reports with ``--json``."""
    done = run(folder, *arguments, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Look again and again until something is so; an error where it does not come about."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"it did not come about in {seconds:.0f} s")
        time.sleep(0.05)


def end(processes: Sequence[subprocess.Popen[str]]) -> None:
    """End processes that a test started."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
