"""``labeler dictionaries`` and ``labeler status``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from labeler.cli.display import by_kind, clean, dollars, out, print_json, say, when
from labeler.cli.options import JSON
from labeler.cli.running import facts as run_facts
from labeler.cli.running import report

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
    return {k: v for k, v in manifest.stored().items() if k not in inside} | {"size": manifest.size}


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
        say("no runs yet; start one with `labeler label NAME`")
        return
    table = runs_table(found)
    # What has no room is cut, and words are broken; an id has to be copied whole.
    if Measurement.get(out, out.options.update(max_width=ENDLESS), table).minimum > out.width:
        for each in found:
            say(run_line(each))
    else:
        out.print(table)
    for each in found:
        if each.progress.failures:
            say(f"{each.record.id} failed: {by_kind(each.progress.failures)}")


ENDLESS = 10_000
"""Columns of a terminal on which everything has room."""

COLUMNS = (
    "run",
    "dictionary",
    "state",
    "labelled",
    "unclear",
    "failed",
    "open",
    "to the null",
    "of",
    "spent",
    "begun (UTC)",
)


def runs_table(found: Sequence[Glance]) -> Table:
    """Runs, one a row: ``open`` are features without a label, ``to the null`` labels that are still to be compared."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "run", overflow="fold")
    for each in found:
        record, progress = each.record, each.progress
        counts = [progress.by_state.get(state, 0) for state in ("labelled", "unclear", "failed")]
        numbers = [*counts, progress.open, progress.in_control, progress.total]
        cells = [record.id, clean(record.dictionary), record.state, *map(str, numbers)]
        table.add_row(*map(Text, (*cells, dollars(progress.usd), when(record.created_at))))
    return table


def run_line(each: Glance) -> str:
    """The same of one run, for a terminal that is too narrow for a table."""
    record, progress = each.record, each.progress
    states = [f"{n} {state}" for state, n in sorted(progress.by_state.items())]
    left = [f"{n} {what}" for n, what in ((progress.open, "open"), (progress.in_control, "to the null")) if n]
    counts = ", ".join([*states, *left])
    return (
        f"{record.id} {record.dictionary} {record.state}: {counts}; {dollars(progress.usd)}; {when(record.created_at)}"
    )


def _runs() -> list[Glance]:
    """All runs, newest first."""
    from labeler.catalogue.glance import Glance, glance
    from labeler.settings import settings

    found = glance(settings().database)
    if found is not None:
        return found
    from labeler import api

    return [Glance(each.record, each.progress(), each.batches()) for each in api.runs()]
