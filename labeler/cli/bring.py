"""``labeler import``"""

from __future__ import annotations

from typing import Annotated

import typer

from labeler.cli.display import clean, out, print_json
from labeler.cli.following import collecting
from labeler.cli.listing import facts


def import_(
    path: Annotated[str, typer.Argument(help="A file or folder of a known format; it is found by looking.")],
    name: Annotated[str, typer.Option("--as", help="What to call it here; one of the same origin is added to.")],
    model: Annotated[
        str | None, typer.Option(help="The language model whose tokenizer reads the ids of a Delphi cache.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Report for another program.")] = False,
) -> None:
    """Bring somebody else's evidence here: exports, batches and caches of other tools, or your own contexts.jsonl."""
    from labeler import api

    with collecting() as progress:
        made = api.import_evidence(path, name, model=model, progress=progress)
    if json:
        print_json(facts(made.store))
        return
    manifest = made.store.manifest
    tokens = f" of {manifest.n_tokens:,} tokens" if manifest.n_tokens else ""
    population = (
        f"with population counts: scores speak for the corpus{tokens}"
        if manifest.sampling == "population"
        else "without population counts: scores are of the top-and-random kind"
    )
    out.print(
        f"'{name}': {manifest.n_features:,} features with {manifest.n_kept:,} contexts ({manifest.source}), {population}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    firing = made.store.firing_contexts()
    usable = int((firing > 0).all(axis=1).sum())
    if usable < manifest.n_features:
        out.print(
            f"{usable:,} of them have firing contexts in all three splits; the others cannot be explained or scored",
            highlight=False,
        )
    ready = made.store.indices[(firing > 0).all(axis=1)]
    first = ready[:32] if len(ready) else made.store.indices[:32]
    shown = f"{first[0]}-{first[-1]}" if len(first) > 1 else f"{first[0]}"
    out.print(f"next: labeler label {clean(name)} --features {shown}", highlight=False, markup=False)
