"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from labeler.errors import InputError
from labeler.llm.errors import KINDS

RUN = Annotated[str, typer.Argument(help="The run's id, or enough of its beginning.")]
OF_RUN = Annotated[
    str | None,
    typer.Option(
        "--run", help="The labels of this run (its id, or enough of its beginning), not those that stand now."
    ),
]
KIND = Annotated[
    list[str] | None,
    typer.Option(help=f"Only features that failed so: {', '.join(KINDS)}; repeatable."),
]
JSON = Annotated[bool, typer.Option("--json", help="Report for another program.")]


FEATURES = Annotated[
    str | None, typer.Option(help="Which: 0-99,512 or @file (one index a line); all of them otherwise.")
]
SIMULATOR = Annotated[
    list[str] | None,
    typer.Option(
        help="embedding, lexical, sparse=LLM or just an LLM, likelihood=, logprob= or sum=local:MODEL; repeatable, "
        "the first is the headline."
    ),
]
SCORER = Annotated[
    list[str] | None,
    typer.Option(
        help="What judges labels besides: detection=LLM or just an LLM, fuzzing=LLM, discrimination=LLM, intruder=LLM, "
        "embedding_auc; repeatable."
    ),
]
CONTEXTS = Annotated[int, typer.Option(help="Contexts that a paid simulator or scorer is asked about for a feature.")]
PRECISION = Annotated[float, typer.Option(help="Half width of an interval above which a score is 'imprecise'.")]
FOREIGN = Annotated[
    int | None,
    typer.Option(
        help="Labels of other features that a paid simulator or scorer is tried with on up to 64 features, for the null; "
        "0 for none. By default as many as cost a fifth of the run at most. What is free tries 40 on all, whatever this says.",
        show_default=False,
    ),
]
SEED = Annotated[int, typer.Option(help="Of every draw.")]
DETACH = Annotated[bool, typer.Option(help="Store the run and return; the workers of the fleet see to it.")]
EXPLAINER = Annotated[
    list[str] | None,
    typer.Option(
        help="lexical, or an LLM such as anthropic:MODEL, openai:MODEL[@URL], local:smollm2-135m; repeatable."
    ),
]
BATCH = Annotated[
    bool, typer.Option("--batch", help="Ask through the providers' batches: half the price, hours later.")
]
OFFLINE = Annotated[
    bool,
    typer.Option("--offline", help="Ask nobody: `labeler requests` writes what is to be asked and takes the answers."),
]
BUDGET = Annotated[
    float | None,
    typer.Option(help="US dollars that are never overshot: the run pauses where they do not finish another feature."),
]
ESCALATE = Annotated[
    str | None,
    typer.Option(
        help="A stronger explainer, asked only where the label is unclear or scores below --below on `select`."
    ),
]
BELOW = Annotated[float, typer.Option(help="The select score below which a feature is escalated.")]
PROMPT = Annotated[
    list[str] | None,
    typer.Option(help="A template of your own in the place of the explainer's, or NAME=FILE of another; repeatable."),
]


_SPELLED = {
    "`name`": "--as",
    "`hook`": "--hook",
    "`model`": "--model",
    "`budget`": "--budget",
    "`escalate`": "--escalate",
    "`format`": "--format",
    "`force=True`": "--force",
    "`mode='offline'`": "--offline",
    "`labeler.collect`": "`labeler collect`",
    "`labeler.import_evidence`": "`labeler import`",
}
"""What the library calls by Python's names, between backticks, and what it is on the command line."""


def in_the_commands_words(message: str) -> str:
    """A message of the library as the command's user reads it."""
    for python, command in _SPELLED.items():
        message = message.replace(python, command)
    return message


def mode_of(batch: bool, offline: bool) -> Any:
    """How hosted models are asked; InputError where both are wanted."""
    if batch and offline:
        raise InputError("--batch asks a provider and --offline asks nobody; choose one")
    return "batch" if batch else "offline" if offline else "direct"


def read_prompts(given: Sequence[str] | None) -> dict[str, str]:
    """Templates by the name of the prompt that they replace, out of ``FILE`` (the explainer's) and ``NAME=FILE``.

    InputError for a file that cannot be read, or two for one prompt.
    """
    from labeler.prompts import names

    found: dict[str, str] = {}
    for one in given or ():
        name, equals, path = one.partition("=")
        if not equals or name not in names():
            name, path = "explain", one
        if name in found:
            raise InputError(f"two files are given for the prompt '{name}'; give one")
        try:
            found[name] = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the prompt '{path}': {_why(error)}; give a UTF-8 text file") from None
    return found


def check_detach(detach: bool) -> None:
    """InputError where a run is to be left to workers that nobody can ring for."""
    from labeler import api

    if not detach:
        return
    if api.settings().embedded:
        raise InputError("--detach leaves the run to workers, but no LABELER_BROKER_URL says where they listen")
    api.check_broker(api.settings())


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "it is not there") if isinstance(error, OSError) else "it is not UTF-8"
