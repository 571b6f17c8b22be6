"""``python -m eval.bench COMMAND``"""

from __future__ import annotations

import sys

import typer

from eval.bench import copies, evidence, free, lens, local, sequential, start, supply, tokens
from labeler.errors import LabelerError
from labeler.printable import clean

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("evidence")(evidence.main)
app.command("copies")(copies.main)
app.command("sequential")(sequential.main)
app.command("tokens")(tokens.main)
app.command("supply")(supply.main)
app.command("lens")(lens.main)
app.command("local")(local.main)
app.command("free")(free.main)
app.command("start")(start.main)


@app.callback()
def bench() -> None:
    """Ratios taken within one run; every part in a process of its own, so that its memory is its own."""


if __name__ == "__main__":
    try:
        app()
    except LabelerError as error:
        print(f"eval.bench: {clean(str(error))}", file=sys.stderr)
        sys.exit(2)
