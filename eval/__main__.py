"""``python -m eval COMMAND``"""

from __future__ import annotations

import sys

import typer

from eval import coverage, picture, reference
from labeler.cli.display import clean
from labeler.errors import LabelerError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("reference")(reference.main)
app.command("coverage")(coverage.main)
app.command("picture")(picture.main)

if __name__ == "__main__":
    try:
        app()
    except LabelerError as error:
        print(f"eval: {clean(str(error))}", file=sys.stderr)
        sys.exit(2)
