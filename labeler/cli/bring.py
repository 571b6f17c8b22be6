"""``labeler import``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeler.cli.display import counted, print_json, say
from labeler.cli.following import collecting
from labeler.cli.listing import facts, lists_line
from labeler.cli.running import to_label, to_score_imported
from labeler.progress import listening


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

    found = api.find_evidence(path)
    with collecting() as progress:
        made = api.import_evidence(path, name, model=model, progress=progress)
        with listening(progress):
            explained, scored = len(made.explainable()), len(made.scorable())
            never = len(made.dead())
    if json:
        print_json(
            {
                **facts(made.store),
                "path": str(found),
                "explainable": explained,
                "scorable": scored,
                "dead": never,
                "imported_labels": len(made.imported()),
            }
        )
        return
    manifest = made.store.manifest
    if found != Path(path):
        say(f"'{path}' is no export itself; taken: '{found}'")
    tokens = f" of {manifest.n_tokens:,} tokens" if manifest.n_tokens else ""
    population = (
        f"with population counts: scores speak for the corpus{tokens}"
        if manifest.sampling == "population"
        else "without population counts: scores are of the top-and-random kind"
    )
    say(
        f"'{name}': {manifest.n_features:,} features with {manifest.n_kept:,} contexts ({manifest.source}), {population}"
    )
    say(reach(manifest.n_features, explained, scored, never))
    if manifest.lens is not None:
        say(lists_line(manifest.lens))
    if labelled := len(made.imported()):
        say(f"{counted(labelled, 'feature')} came with labels of others, which are kept beside ours")
        if scoring := to_score_imported(made):
            say(f"to score them: {scoring}")
    hint = to_label(made)
    say(f"next: {hint}" if hint else f"next: labeler show {name} {made.store.indices[0]}")


def reach(n: int, explained: int, scored: int, dead: int) -> str:
    """How many features a run can explain and score, and why not the others."""
    if scored == n:
        return "all of them can be explained and scored" if n > 1 else "it can be explained and scored"
    parts = [f"{explained:,} of them can be explained, and {scored:,} of these labels scored"]
    if dead:
        parts.append(f"{dead:,} {'is' if dead == 1 else 'are'} dead")
    if n > scored + dead:
        parts.append("the others fire in too few of the contexts that are here, copies of one text counted once")
    return "; ".join(parts)
