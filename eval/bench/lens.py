"""``python -m eval.bench lens``: what the promoted tokens of dictionaries say of what follows where their features fire."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from eval.results import save
from labeler import api
from labeler.cli.display import out
from labeler.errors import InputError
from labeler.evidence.logit_lens import measured
from labeler.printable import clean

NAME = "lens"


def main(
    dictionaries: Annotated[list[str], typer.Argument(help="As `labeler dictionaries` lists them.")],
    keep: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """How surely what follows a feature's firing tokens picks its own list out of others: .5 is chance."""
    figures = {name: figure(name) for name in dictionaries}
    made = Table(box=box.SIMPLE_HEAD)
    for column in ("dictionary", "hook", "AUC", "95 % interval", "features", ""):
        made.add_column(column)
    for name, found in figures.items():
        made.add_row(
            clean(name),
            clean(found["hook"]),
            f"{found['auc']:.3f}",
            f"{found['low']:.3f} to {found['high']:.3f}",
            str(found["n_features"]),
            "shown" if found["says"] else "not shown",
        )
    out.print(made)
    if keep:
        save(NAME, {"figures": figures})


def figure(name: str) -> dict[str, Any]:
    """One dictionary's, measured on its evidence; InputError where there is too little of that."""
    store = api.open(name).store
    found = measured([store.open(shard) for shard in store.manifest.shards], store.rows)
    if found is None:
        raise InputError(f"'{name}' has too few features with promoted tokens, or too few contexts, to measure them on")
    return {
        "model": store.manifest.model,
        "hook": store.manifest.hook,
        "n_tokens": store.manifest.n_tokens,
        **dataclasses.asdict(found),
        "says": found.says,
    }
