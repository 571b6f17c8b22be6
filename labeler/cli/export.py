"""``labeler export``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeler.cli.display import out
from labeler.cli.options import OF_RUN


def export(
    name: Annotated[str, typer.Argument(help="The dictionary.")],
    path: Annotated[Path, typer.Option("--out", help="The file to write.")],
    format: Annotated[str, typer.Option(help="jsonl or csv.")] = "jsonl",
    run: OF_RUN = None,
) -> None:
    """Write a catalogue to a file."""
    from labeler import api

    rows = api.open(name).export(path, format, run=run)
    out.print(f"{rows} rows in {path}", highlight=False, markup=False)
