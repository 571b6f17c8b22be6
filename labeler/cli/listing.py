"""``labeler dictionaries`` and ``labeler status``"""

from __future__ import annotations

from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from labeler.cli.display import dollars, out, print_json, when
from labeler.cli.label import JSON, report


def dictionaries(json: JSON = False) -> None:
    """What is here."""
    from labeler import api

    found = api.dictionaries()
    if json:
        print_json([{k: v for k, v in vars(manifest).items() if k != "files"} for manifest in found])
        return
    if not found:
        out.print("no dictionaries yet; make one with `labeler demo` or `labeler collect`", highlight=False)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "model", "hook", "features", "tokens", "contexts kept", "collected"):
        table.add_column(column, justify="right" if column in ("features", "tokens", "contexts kept") else "left")
    for m in found:
        numbers = (f"{n:,}" for n in (m.n_features, m.n_tokens, m.n_kept))
        table.add_row(*(Text(cell) for cell in (m.name, m.model, m.hook, *numbers, m.created)))
    out.print(table)


def status(
    run: Annotated[
        str | None, typer.Argument(help="A run's id, or enough of its beginning; all runs otherwise.")
    ] = None,
    json: JSON = False,
) -> None:
    """Where runs are: features, states, money."""
    from labeler import api

    if run is not None:
        report(api.run(run), json)
        return
    found = [(each, each.record, each.progress()) for each in api.runs()]
    if json:
        print_json([{"run": e.id, "dictionary": e.dictionary, "state": r.state, **vars(p)} for e, r, p in found])
        return
    if not found:
        out.print("no runs yet; start one with `labeler label NAME`", highlight=False)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("run", "dictionary", "state", "labelled", "unclear", "failed", "open", "of", "spent", "begun (UTC)"):
        table.add_column(column)
    for each, record, progress in found:
        counts = [progress.by_state.get(state, 0) for state in ("labelled", "unclear", "failed")]
        numbers = [*counts, progress.total - progress.done, progress.total]
        cells = [
            each.id,
            each.dictionary,
            record.state,
            *map(str, numbers),
            dollars(progress.usd),
            when(record.created_at),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
