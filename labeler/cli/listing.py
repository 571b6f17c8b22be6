"""``labeler dictionaries`` and ``labeler status``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from labeler.cli.display import clean, dollars, out, print_json, when
from labeler.cli.label import facts as run_facts
from labeler.cli.label import report
from labeler.cli.options import JSON

if TYPE_CHECKING:
    from labeler.catalogue.glance import Glance
    from labeler.evidence.manifest import Manifest
    from labeler.evidence.store import EvidenceStore


def dictionaries(
    verify: Annotated[bool, typer.Option(help="Read every byte, not only sizes, to tell what is damaged.")] = False,
    json: JSON = False,
) -> int:
    """What is here: features, tokens, size, and whether all files are as they were written. Exit 1 where some are not."""
    from labeler import api

    found = [(name, *api.look(name, verify=verify)) for name in api.dictionaries()]
    damaged = int(any(health is not None for _, _, health in found))
    if json:
        print_json([{**({} if m is None else said(m)), "name": name, "health": h or "ok"} for name, m, h in found])
        return damaged
    if not found:
        out.print(
            "no dictionaries yet; make one with `labeler demo`, `labeler collect` or `labeler import`", highlight=False
        )
        return damaged
    table = Table(box=box.SIMPLE_HEAD)
    right = ("features", "tokens", "contexts", "size")
    for column in ("name", "model", "hook", "from", *right, "made (UTC)", "health"):
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for name, m, health in found:
        state = Text("ok", style="green") if health is None else Text(clean(health), style="red")
        if m is None:
            table.add_row(Text(name), *[Text("?")] * 8, state)
            continue
        numbers = (f"{m.n_features:,}", f"{m.n_tokens:,}" if m.n_tokens else "?", f"{m.n_kept:,}", size_text(m.size))
        cells = (name, m.model, m.hook, m.source, *numbers, m.created[:16].replace("T", " "))
        table.add_row(*(Text(clean(cell)) for cell in cells), state)
    out.print(table)
    return damaged


def size_text(n: int) -> str:
    """Bytes as people read them."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"


def said(manifest: Manifest) -> dict[str, Any]:
    """A manifest for another program: what it says of the evidence, not of its files."""
    inside = ("shards", "tables", "states", "files", "progress")
    return {k: v for k, v in vars(manifest).items() if k not in inside} | {"size": manifest.size}


def facts(store: EvidenceStore) -> dict[str, Any]:
    """What a command says to another program of evidence that it made."""
    return said(store.manifest)


def status(
    run: Annotated[
        str | None, typer.Argument(help="A run's id, or enough of its beginning; all runs otherwise.")
    ] = None,
    json: JSON = False,
) -> None:
    """Where runs are: features, states, money."""
    if run is not None:
        from labeler import api

        report(api.run(run), json)
        return
    found = _runs()
    if json:
        print_json([run_facts(each.record, each.progress, each.batches) for each in found])
        return
    if not found:
        out.print("no runs yet; start one with `labeler label NAME`", highlight=False)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("run", "dictionary", "state", "labelled", "unclear", "failed", "open", "of", "spent", "begun (UTC)"):
        table.add_column(column)
    for each in found:
        record, progress = each.record, each.progress
        counts = [progress.by_state.get(state, 0) for state in ("labelled", "unclear", "failed")]
        numbers = [*counts, progress.total - progress.done, progress.total]
        cells = [
            record.id,
            record.dictionary,
            record.state,
            *map(str, numbers),
            dollars(progress.usd),
            when(record.created_at),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)


def _runs() -> list[Glance]:
    """All runs, newest first."""
    from labeler.catalogue.glance import Glance, glance
    from labeler.settings import settings

    found = glance(settings().database)
    if found is not None:
        return found
    from labeler import api

    return [Glance(each.record, each.progress(), each.batches()) for each in api.runs()]
