"""``labeler collect``"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labeler.cli.display import counted, err, out, print_json, say
from labeler.cli.following import collecting
from labeler.cli.listing import facts, lists_line
from labeler.cli.running import to_label
from labeler.errors import InputError

if TYPE_CHECKING:
    from labeler.evidence.store.manifest import Collected


def collect(
    model: Annotated[str, typer.Option(help="The language model: a folder, a hub name, or smollm2-135m.")],
    dictionary: Annotated[
        list[str],
        typer.Option(help="A folder or file of weights, hf://ORG/REPO/FOLDER, or 'neurons'; repeat it for one pass."),
    ],
    name: Annotated[list[str], typer.Option("--as", help="What to call it here; once for each dictionary, in turn.")],
    corpus: Annotated[
        str,
        typer.Option(
            help="A .txt, .jsonl or .parquet file, a folder of Parquet or of `datasets`, a data set on the hub "
            "(ORG/NAME), or 'sample'."
        ),
    ] = "sample",
    hook: Annotated[
        list[str] | None,
        typer.Option(help="The hook point, where the weights do not say it (layers.12, blocks.12.hook_mlp_out, …)."),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Stop in the window in which so many are there; the whole corpus otherwise.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Report for another program.")] = False,
) -> None:
    """Run a model over a corpus and keep every feature's evidence.

    Interrupted and called again, it goes on; called for more tokens than are there, it adds them.
    """
    from labeler import api

    hooks: list[str | None] = [*hook] if hook else [None]
    if len(hooks) == 1:
        hooks *= len(dictionary)
    if len(dictionary) != len(name) or len(hooks) != len(name):
        raise InputError(
            f"{len(dictionary)} dictionaries, {len(name)} names (--as) and {len(hook or [])} hook points were given; "
            "every dictionary needs a name of its own, and --hook once for all or once for each"
        )
    if len(set(name)) < len(name):
        raise InputError(f"'{max(name, key=name.count)}' is given as the name of two dictionaries; each needs its own")
    try:
        with collecting() as progress:
            made = api.collect_together(
                model=model,
                wanted=dict(zip(name, zip(dictionary, hooks, strict=True), strict=True)),
                corpus=corpus,
                tokens=tokens,
                progress=progress,
            )
    except KeyboardInterrupt:
        err.print("stopped; the same command goes on from here")
        raise
    if json:
        said = [facts(each.store) | {"collected": each.collected and asdict(each.collected)} for each in made]
        print_json(said if len(said) > 1 else said[0])
        return
    for each in made:
        manifest = each.store.manifest
        firing = int((each.store.density() > 0).sum())
        out.print(
            f"'{each.name}': {manifest.n_features:,} features, {firing:,} of them active somewhere, on "
            f"{manifest.n_tokens:,} tokens ({manifest.n_contexts:,} contexts of up to {manifest.length}) of "
            f"'{manifest.corpus}'",
            highlight=False,
            markup=False,
        )
        if manifest.lens is not None:
            say(lists_line(manifest.lens))
    for line in dict.fromkeys(line for each in made if each.collected for line in notes(each.collected, tokens)):
        say(line)
    if hint := to_label(made[0]):
        say(f"next: {hint}")


def notes(found: Collected, tokens: int | None) -> list[str]:
    """What there is to know of a collection beside its size: that the corpus was too short, and what was left out of it."""
    lines = []
    documents = f" ({counted(found.documents, 'document')})" if found.documents is not None else ""
    if found.ended and tokens is not None and found.tokens < tokens:
        lines.append(f"the corpus{documents} ended before the {tokens:,} tokens that were asked for")
    if found.left_out:
        every = found.contexts + found.left_out
        lines.append(
            f"{found.left_out:,} of {counted(every, 'context')}{'' if lines else documents} were left out: copies of text "
            "that another split has, by which a label could be scored on what it was made from"
        )
    return lines
