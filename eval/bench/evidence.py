"""``python -m eval.bench evidence``: how fast evidence is collected and read, and in how much memory."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from eval.bench.parts import in_process
from eval.results import load, save
from labeler.cli.display import err, out
from labeler.models.names import torch_available

PEER = "LABELER_REFERENCE_DELPHI"
"""Names the python of an environment with eai-delphi 0.1.3 (tests/optional/delphi says how to make one)."""

Row = tuple[str, str, str, bool | None]
"""What, the figure, the goal, and whether it was reached (None: not taken here)."""


def main(
    tokens: Annotated[int, typer.Option(help="Tokens of the comparisons of speed.")] = 100_000,
    long: Annotated[
        int, typer.Option(help="Tokens of the longer of the two collections whose memory is compared.")
    ] = 4_000_000,
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Ratios within one run: against the bare forward pass, against Delphi, long against short, and of the store."""
    figures: dict[str, Any] = {}

    def take(name: str, part: str, *arguments: object) -> None:
        err.print(f"{name} …", highlight=False)
        figures[name] = in_process(part, *map(str, arguments))
        err.print(f"  {figures[name]}", highlight=False)

    take("speed", "speed", tokens)
    python = os.environ.get(PEER)
    if python:
        take("peer", "peer", 3 * tokens, python)
    take("short", "memory", long // 4)
    take("long", "memory", long)
    take("store_100k", "scale", 100_000, 1_000_000)
    take("store_1m", "scale", 1_000_000, 2_000_000)
    if cuda_here():
        take("cuda", "cuda", 10 * tokens)
    out.print(table(figures))
    if not python:
        out.print(f"[dim]not compared with Delphi: name the python of its environment in {PEER}[/dim]")
    if "cuda" not in figures:
        out.print("[dim]no accelerator is at hand: nothing was taken on one[/dim]")
    if save_figures:
        save("evidence", {"figures": figures})


def cuda_here() -> bool:
    """Whether torch sees an accelerator."""
    if not torch_available():
        return False
    import torch

    return torch.cuda.is_available()


def rows(figures: dict[str, Any]) -> list[Row]:
    """The figures against their goals."""
    speed, short, long = figures["speed"], figures["short"], figures["long"]
    small, large = figures["store_100k"], figures["store_1m"]
    growth = long["peak_mb"] / short["peak_mb"]
    found: list[Row] = [
        (
            "collection, of the bare forward pass to the same layer",
            f"{speed['ratio']:.2f} ({speed['collection']:,} of {speed['bare']:,} tokens/s)",
            "≥ 0.85",
            speed["ratio"] >= 0.85,
        )
    ]
    if "peer" in figures:
        peer = figures["peer"]
        found += [
            (
                "against Delphi's cache pass: speed",
                f"{peer['times_as_fast']:.1f}x ({peer['ours_per_second']:,} and {peer['theirs_per_second']:,} tokens/s)",
                "≥ 2x",
                peer["times_as_fast"] >= 2,
            ),
            (
                f"the same: growth of memory over {peer['tokens']:,} tokens",
                f"{peer['share_of_memory']:.2f} ({peer['ours_growth_mb']:,} and {peer['theirs_growth_mb']:,} MB)",
                "≤ 0.25",
                peer["share_of_memory"] <= 0.25,
            ),
        ]
    found += [
        (
            f"peak memory of {long['tokens']:,} tokens, of {short['tokens']:,}",
            f"{growth:.2f} ({long['peak_mb']:,} and {short['peak_mb']:,} MB)",
            "0.9 to 1.1",
            0.9 <= growth <= 1.1,
        ),
        (
            "one feature read, out of 100,000",
            f"{small['read_p50_us']:.0f} µs p50, {small['read_p99_us']:.0f} µs p99 ({small['contexts_a_feature']:.0f} contexts)",
            "≤ 50 µs p50",
            small["read_p50_us"] <= 50,
        ),
        (
            "bytes a feature beside the shared contexts",
            f"{small['bytes_a_feature']:,} (of 100,000), {large['bytes_a_feature']:,} (of 1,000,000)",
            "≤ 4,000",
            max(small["bytes_a_feature"], large["bytes_a_feature"]) <= 4_000,
        ),
        (
            "memory to build a store of 1,000,000 features",
            f"{large['peak_mb']:,} MB",
            "≤ 2,000 MB",
            large["peak_mb"] <= 2_000,
        ),
    ]
    if "cuda" in figures:
        cuda = figures["cuda"]
        found.append(
            (
                "collection on an accelerator, of the bare pass: 1.2 B parameters, 65,536 features",
                f"{cuda['ratio']:.2f} ({cuda['collection']:,} of {cuda['bare']:,} tokens/s)",
                "≥ 0.80",
                cuda["ratio"] >= 0.8,
            )
        )
    return found


def table(figures: dict[str, Any]) -> Table:
    """The figures for a terminal."""
    made = Table(box=box.SIMPLE_HEAD)
    for column in ("", "measured", "goal", ""):
        made.add_column(column)
    for what, figure, goal, reached in rows(figures):
        made.add_row(what, figure, goal, "[green]reached[/green]" if reached else "[red]missed[/red]")
    return made


def readme_table() -> str:
    """The saved figures as the README shows them, with the machine that they were taken on."""
    saved = load("evidence")
    lines = ["| | measured | goal |", "|---|---|---|"]
    lines += [
        f"| {what} | {figure}{'' if reached else ' **missed**'} | {goal} |"
        for what, figure, goal, reached in rows(saved["figures"])
    ]
    return "\n".join([*lines, "", f"Taken on {saved['machine']}."])
