"""The ``labeler`` command."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from labeler import __version__
from labeler.cli import (
    bring,
    check,
    collect,
    demo,
    export,
    label,
    listing,
    plan,
    prompt,
    report,
    requests,
    running,
    score,
    show,
    work,
)
from labeler.cli.display import write_anywhere
from labeler.cli.options import in_the_commands_words
from labeler.errors import LabelerError
from labeler.printable import clean

app = typer.Typer(
    name="labeler",
    help="Names for the features of a neural network, each with a score measured on text its explainer never saw.\n\n"
    "Start with `labeler demo`: the main job on a shipped sample, no key, no server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("collect")(collect.collect)
app.command("import")(bring.import_)
app.command("dictionaries")(listing.dictionaries)
app.command("plan")(plan.plan)
app.command("prompt")(prompt.prompt)
app.command("label")(label.label)
app.command("score")(score.score)
app.command("report")(report.report)
app.command("status")(listing.status)
app.command("resume")(running.resume)
app.command("cancel")(running.cancel)
app.command("retry")(running.retry)
app.command("show")(show.show)
app.command("export")(export.export)
app.add_typer(requests.app, name="requests")
app.command("worker")(work.worker)
app.command("check")(check.check)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"labeler {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version, and nothing else.")
    ] = False,
) -> None:
    """What stands before a command."""


def _of_home(error: OSError) -> str:
    """That a place is in the home, and what says where that is."""
    from labeler.settings import settings

    chosen = settings()
    if error.filename is None or not Path(os.fsdecode(error.filename)).absolute().is_relative_to(
        chosen.home.absolute()
    ):
        return ""
    return f"; that is in the home of {chosen.named('home')}, which has to be a folder that can be written"


_SUGGESTION = re.compile(r"\.? *\(?(?:did you mean|possible options)\b[^?)]*[?)]+\.?", re.IGNORECASE)


def suggested_once(message: str) -> str:
    """A message with the first of its suggestions: Typer adds its own to Click's, as their versions go."""
    first = _SUGGESTION.search(message)
    if first is None:
        return message
    return message[: first.end()] + _SUGGESTION.sub("", message[first.end() :])


def leave_quietly() -> None:
    """Let what is still to be written go nowhere, so that Python does not complain of it as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def main() -> None:
    """Run the command: exit 0 done, 1 some features failed, 2 the request was wrong (one line), 130 interrupted, 141 where
    whoever read the output went away (as the shell says of commands that a closed pipe ends)."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    write_anywhere()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # now, where a reader that is gone can still be told from a fault
    except LabelerError as error:
        print(f"labeler: {clean(in_the_commands_words(str(error)))}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (BrokenPipeError, SystemExit) as error:
        # Click and rich end with 1 where they meet a closed pipe; with us that would say that features failed.
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        leave_quietly()
        sys.exit(141)
    except UnicodeEncodeError as error:  # what is written is written anyhow: this is the name of a file
        lacking = ascii(error.object[error.start : error.end])
        print(
            f"labeler: the encoding of file names here, {error.encoding}, has no {lacking}; set PYTHONUTF8=1",
            file=sys.stderr,
        )
        sys.exit(2)
    except OSError as error:  # a place that cannot be read or written
        print(f"labeler: {clean(str(error))}{_of_home(error)}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        # Typer's own usage errors: which module defines them differs between its versions.
        if not hasattr(error, "format_message"):
            raise
        if message := clean(
            suggested_once(error.format_message())
        ):  # nothing where the help was all that could be said
            print(f"labeler: {message}", file=sys.stderr)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
