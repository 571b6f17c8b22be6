"""``labeler export``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeler.cli.display import out
from labeler.cli.options import OF_RUN


def export(
    name: Annotated[str, typer.Argument(help="The dictionary.")],
    path: Annotated[Path, typer.Option("--out", help="The file to write; its ending says the format.")],
    format: Annotated[
        str | None, typer.Option(help="jsonl or csv, where the file's ending does not say it.", show_default=False)
    ] = None,
    run: OF_RUN = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Write a catalogue to a file."""
    from labeler import api

    rows = api.open(name).export(path, format, run=run, force=force)
    out.print(f"{rows} rows in {path}", highlight=False, markup=False)
