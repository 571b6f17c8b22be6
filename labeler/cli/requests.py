"""``labeler requests export`` and ``labeler requests import``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeler.cli.display import counted, print_json, say, tell
from labeler.cli.following import collecting
from labeler.cli.options import JSON, RUN
from labeler.cli.running import see_through
from labeler.progress import listening

app = typer.Typer(
    help="What a run begun with --offline has to ask, as files, and the answers back: no key, no network.",
    no_args_is_help=True,
)


@app.command("export")
def export(
    run: RUN,
    out_folder: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    json: JSON = False,
) -> None:
    """Write the pending requests as JSONL files in the form of OpenAI's batches, which `vllm run-batch` reads too."""
    from labeler import api

    found = api.run(run)
    with collecting() as progress, listening(progress):
        files = found.export_requests(out_folder)
    n = found.progress().pending
    if json:
        print_json({"run": found.id, "requests": n, "files": [str(path) for path in files]})
        return
    say(f"{counted(n, 'request')} of run {found.id}:")
    for path in files:
        say(f"  {path}")
    say(f"have them answered into another folder, then: labeler requests import {found.id} FOLDER")


@app.command("import")
def import_(
    run: RUN,
    folder: Annotated[Path, typer.Argument(help="Where the answers are, as .jsonl files.")],
    json: JSON = False,
) -> None:
    """Take the answers and go on as far as they lead; lines that cannot be used are named, and the rest is."""
    from labeler import api

    found = api.run(run)
    with collecting() as progress, listening(progress):
        taken = found.import_answers(folder)
    for line in taken.named:
        tell(line)
    unnamed = taken.faults.total() + taken.missing - len(taken.named)
    if unnamed > 0:
        tell(f"… and {unnamed:,} more")
    faults = ", ".join(f"{n:,} {kind}" for kind, n in sorted(taken.faults.items()))
    tell(
        f"{counted(taken.answers, 'answer')} taken, {counted(taken.missing, 'request')} still without one"
        + (f"; not used: {faults}" if faults else "")
    )
    see_through(found, json)
