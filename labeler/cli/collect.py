"""``labeler collect``"""

from __future__ import annotations

from typing import Annotated

import typer

from labeler.cli.display import collecting, err, out, print_json


def collect(
    model: Annotated[str, typer.Option(help="The language model: a folder, a hub name, or smollm2-135m.")],
    dictionary: Annotated[str, typer.Option(help="The folder of the dictionary's weights.")],
    name: Annotated[str, typer.Option("--as", help="What to call it here.")],
    corpus: Annotated[str, typer.Option(help="A .jsonl with a 'text' field, a .txt, or 'sample'.")] = "sample",
    tokens: Annotated[
        int | None, typer.Option(help="Stop after about so many tokens; the whole corpus otherwise.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Report for another program.")] = False,
) -> None:
    """Run a model over a corpus and keep every feature's evidence. Interrupted and called again, it goes on."""
    from labeler import api

    try:
        with collecting() as progress:
            made = api.collect(
                model=model, dictionary=dictionary, corpus=corpus, name=name, tokens=tokens, progress=progress
            )
    except KeyboardInterrupt:
        err.print("stopped; the same command goes on from here")
        raise
    manifest = made.store.manifest
    if json:
        print_json({key: value for key, value in vars(manifest).items() if key != "files"})
        return
    firing = int((made.store.density() > 0).sum())
    out.print(
        f"'{name}': {manifest.n_features:,} features, {firing:,} of them active somewhere, on {manifest.n_tokens:,} "
        f"tokens ({manifest.n_contexts:,} contexts of up to {manifest.length}) of '{manifest.corpus}'",
        highlight=False,
        markup=False,
    )
    out.print(f"next: labeler label {name} --features 0-31", highlight=False, markup=False)
