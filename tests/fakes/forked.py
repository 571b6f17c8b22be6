"""The ``labeler`` command in processes that have the libraries already: forked off one that imported them.

To import torch and the providers' packages takes ten times as long as most commands; the package's own modules, its
settings and its environment are read anew each time, as in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LIBRARIES = """
aiohttp alembic.command anthropic celery fsspec genai_prices jinja2 numpy openai pydantic_settings redis.asyncio
rich.progress safetensors.numpy sqlalchemy sqlmodel torch transformers.models.auto.modeling_auto
transformers.models.auto.tokenization_auto typer
"""
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_LIBRARIES.split())


def run(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str], output: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder to its end; what it says goes through files in ``output``.

    Raises TimeoutExpired, the process killed, where it takes too long.
    """
    out, err = output / "stdout", output / "stderr"
    out.touch()
    err.touch()
    told = (str(folder), list(arguments), dict(environment), str(out), str(err))
    process = _CONTEXT.Process(target=_command, args=told)
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(list(arguments), timeout, out.read_text(), err.read_text())
    return subprocess.CompletedProcess(list(arguments), process.exitcode, out.read_text(), err.read_text())


def _command(folder: str, arguments: list[str], environment: dict[str, str], out: str, err: str) -> None:
    """What the forked process does: become ``python -m labeler``."""
    for descriptor, path in ((0, os.devnull), (1, out), (2, err)):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["labeler", *arguments]
    runpy.run_module("labeler", run_name="__main__", alter_sys=True)
