"""``python -m eval.bench start``: processor time of the commands that people call while they wait for something else."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from eval.results import load, save
from labeler.cli.display import out

NAME = "start"
GOAL = 1.0
"""CPU seconds of ``labeler status``."""

COMMANDS: dict[str, Sequence[str]] = {
    "`labeler --help`": ["--help"],
    "a typo": ["staus"],
    "`labeler status`": ["status"],
    "`labeler dictionaries`": ["dictionaries"],
    "`labeler show`": ["show", "demo", "11"],
}


def main(
    times: Annotated[int, typer.Option(help="Each command is called so often; the quickest counts.")] = 5,
    keep: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """CPU seconds of a command from its start to its end, and how many times those of a bare Python that is."""
    with tempfile.TemporaryDirectory() as home:
        _labelled(Path(home))
        bare = measured([sys.executable, "-c", "pass"], Path(home), times)
        seconds = {
            name: measured([sys.executable, "-m", "labeler", *arguments], Path(home), times)
            for name, arguments in COMMANDS.items()
        }
    figures = {"bare": round(bare, 3), "seconds": {name: round(value, 2) for name, value in seconds.items()}}
    out.print(_table(figures))
    if keep:
        save(NAME, figures)


def measured(command: Sequence[str], home: Path, times: int) -> float:
    """CPU seconds, user and system, of the quickest of some calls; the first, which may compile modules, does not count."""
    environment = {**os.environ, "LABELER_HOME": str(home)}
    found = []
    for _ in range(times + 1):
        before = _spent()
        subprocess.run(command, env=environment, capture_output=True, check=False)
        found.append(_spent() - before)
    return min(found[1:])


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _labelled(home: Path) -> None:
    """A home with the demo's dictionary, a few features of it labelled."""
    from labeler.recorded_demo import demo_dictionary

    dictionary = demo_dictionary(home)
    indices = dictionary.store.indices.tolist()[:4]
    dictionary.label(indices, explainers=["lexical"], simulators=["lexical"]).work()


def _table(figures: Mapping[str, Any]) -> Table:
    table = Table("command", "CPU seconds", "times a bare Python", box=box.SIMPLE_HEAD)
    for name, seconds in figures["seconds"].items():
        table.add_row(name.strip("`"), f"{seconds:.2f}", f"{seconds / figures['bare']:.0f}")
    return table


def readme_table() -> str:
    """The figures that were saved, for the README."""
    figures = load(NAME)
    lines = ["| | CPU seconds | times a bare Python |", "|---|---|---|"]
    for name, seconds in figures["seconds"].items():
        lines.append(f"| {name} | {seconds:.2f} | {seconds / figures['bare']:.0f} |")
    return "\n".join([*lines, "", f"Taken on {figures['machine']}."])
