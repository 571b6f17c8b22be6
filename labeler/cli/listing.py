"""``labeler dictionaries`` and ``labeler status``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from labeler.cli.display import Cell, Column, by_kind, dollars, out, print_json, print_table, say, when
from labeler.cli.options import JSON
from labeler.cli.running import activity_of, did, report, to_go_on
from labeler.cli.running import facts as run_facts
from labeler.features import LENS_SAYS, Lens
from labeler.printable import clean

if TYPE_CHECKING:
    from labeler.catalogue.glance import Glance
    from labeler.evidence.store.manifest import Manifest
    from labeler.evidence.store.store import EvidenceStore


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
    print_table(EVIDENCE, [evidence_cells(*one) for one in found])
    return damaged


EVIDENCE = (
    Column("name"),
    Column("model"),
    Column("hook"),
    Column("from"),
    Column("features", right=True),
    Column("tokens", right=True),
    Column("contexts", right=True),
    Column("size", right=True),
    Column("made (UTC)"),
    Column("health", sentences=True),
)


def evidence_cells(name: str, manifest: Manifest | None, health: str | None) -> list[Cell]:
    """A dictionary in a row of ``EVIDENCE``."""
    state = Text("ok", style="green") if health is None else Text(clean(health), style="red")
    if manifest is None:
        return [name, *["?"] * (len(EVIDENCE) - 2), state]
    m = manifest
    tokens = f"{m.n_tokens:,}" if m.n_tokens else "?"
    numbers = (f"{m.n_features:,}", tokens, f"{m.n_kept:,}", size_text(m.size))
    return [name, m.model, m.hook, m.source, *numbers, m.created[:16].replace("T", " "), state]


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


def lists_line(lens: Lens) -> str:
    """Whether lists of promoted tokens say anything in a dictionary, with the interval that decides it."""
    auc, low, high, least = (f"{100 * number:.0f}" for number in (lens.auc, lens.low, lens.high, LENS_SAYS))
    verdict = "shown: they say something" if lens.says else "not shown: here they say too little"
    return (
        f"promoted tokens are {verdict} of what follows where a feature fires (of {lens.n_features} features, the own "
        f"list fits that better than another's in {auc} % of cases [{low} {high}]; 50 % is chance, and the low end has to be "
        f"above {least} %)"
    )


def facts(store: EvidenceStore) -> dict[str, Any]:
    """What a command says to another program of evidence that it made."""
    return said(store.manifest)


def status(
    run: Annotated[
        str | None, typer.Argument(help="A run's id, or enough of its beginning; all runs otherwise.")
    ] = None,
    json: JSON = False,
) -> None:
    """Where runs are: what they do, features, states, money; one that nobody works on says how it goes on."""
    if run is not None:
        from labeler import api

        found = api.run(run)
        report(found, json)
        if not json:
            say(f"of {found.dictionary}: {did(found.record.config)}")
        return
    every = _runs()
    if json:
        print_json([run_facts(each.record, each.progress, each.batches) for each in every])
        return
    if not every:
        say("no runs yet; start one with `labeler label NAME`")
        return
    print_table(RUNS, [run_cells(each) for each in every])
    for name, meaning in MEANINGS.items():
        if any(counts(each)[name] for each in every):
            say(f"{name}: {meaning}")
    for each in every:
        if each.progress.failures:
            say(f"{each.record.id} failed: {by_kind(each.progress.failures)}")
        now = activity_of(each.record, each.progress)
        if hint := to_go_on(each.record.id, now, each.record, each.progress):
            say(hint)


MEANINGS = {
    "unclear": "features in which no explainer saw a clear pattern",
    "open": "features that have no label yet",
    "to the null": "labels still to be compared with those of other features (the null)",
}
"""What counts say whose names do not say it themselves, told where there are any."""

RUNS = (
    Column("run"),
    Column("dictionary"),
    Column("state"),
    Column("labelled", right=True),
    *(
        Column(name, right=True, optional=True)
        for name in ("unclear", "failed", "dead", "skipped", "open", "to the null")
    ),
    Column("of", right=True),
    Column("spent", right=True),
    Column("begun (UTC)"),
    Column("does", sentences=True),
)


def counts(each: Glance) -> dict[str, int]:
    """The features of a run by how they ended, and what is still to be done."""
    progress = each.progress
    ended = {state: progress.by_state.get(state, 0) for state in ("labelled", "unclear", "failed", "dead", "skipped")}
    return {**ended, "open": progress.open, "to the null": progress.in_control, "of": progress.total}


def run_cells(each: Glance) -> list[Cell]:
    """A run in a row of ``RUNS``."""
    record, progress = each.record, each.progress
    now = activity_of(record, progress)
    numbers = [f"{n:,}" for n in counts(each).values()]
    spent = dollars(progress.usd)
    return [record.id, record.dictionary, now, *numbers, spent, when(record.created_at), did(record.config)]


def _runs() -> list[Glance]:
    """All runs, newest first."""
    from labeler.catalogue.glance import Glance, glance
    from labeler.settings import settings

    found = glance(settings().database)
    if found is not None:
        return found
    from labeler import api

    return [Glance(each.record, each.progress(), each.batches()) for each in api.runs()]
