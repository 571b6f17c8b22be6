"""``labeler export``"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from labeler.cli.display import counted, out, tell
from labeler.cli.options import OF_RUN


def export(
    name: Annotated[str, typer.Argument(help="The dictionary.")],
    path: Annotated[
        Path, typer.Option("--out", help="The file to write, its ending says the format; - for standard output.")
    ],
    format: Annotated[
        str | None, typer.Option(help="jsonl or csv, where the file's ending does not say it.", show_default=False)
    ] = None,
    run: OF_RUN = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Write a catalogue to a file, or to standard output."""
    from labeler import api

    dictionary = api.open(name)
    if str(path) == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # what a file of it would hold
        tell(f"{counted(dictionary.export(sys.stdout, format, run=run), 'row')} in standard output")
        return
    rows = dictionary.export(path, format, run=run, force=force)
    out.print(f"{rows} rows in {path}", highlight=False, markup=False)
