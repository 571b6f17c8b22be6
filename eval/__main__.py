"""``python -m eval COMMAND``"""

from __future__ import annotations

import sys

import typer

from eval import agreement, frames, labelled, picture, reference, scarce
from eval.estimator import command as estimator
from eval.known import command as known_answers
from labeler.errors import LabelerError
from labeler.printable import clean

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("agreement")(agreement.main)
app.command("labelled")(labelled.main)
app.command("reference")(reference.main)
app.command("estimator")(estimator.main)
app.command("known-answers")(known_answers.main)
app.command("frames")(frames.main)
app.command("scarce")(scarce.main)
app.command("picture")(picture.main)

if __name__ == "__main__":
    try:
        app()
    except LabelerError as error:
        print(f"eval: {clean(str(error))}", file=sys.stderr)
        sys.exit(2)
