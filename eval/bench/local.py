"""``python -m eval.bench local``: the model in this process, asked by many at once.

A running batch, which texts join between two tokens, against batches that begin together, one after the other; and prompts
that share their beginning against prompts that do not. All times are of the processor, so that a machine that is busy
with other things measures the same: requests come, too, after so much of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich import box
from rich.table import Table

from labeler.cli.display import out
from labeler.models.names import SMOLLM2

if TYPE_CHECKING:
    from labeler.models.generation import Wanted
    from labeler.models.language import LanguageModel

SHORT, LONG = 8, 64
"""Tokens of the two kinds of answers; every other one is short."""
WORDS = "river mountain cat bread market story number seven old boat grain winter house farmer coast spring".split()
RULE = "say in few words what all of the marked words have in common, and never guess"


def main(
    requests: Annotated[int, typer.Option(help="Of each kind of load.")] = 48,
    gap: Annotated[float, typer.Option(help="Seconds between two requests that come one by one.")] = 0.1,
) -> None:
    """Tokens a second and how long requests wait, of the sample model on this machine."""
    from labeler.models.language import load_language_model

    model = load_language_model(SMOLLM2)
    rules = " ".join(f"Rule {i}: {RULE}." for i in range(1, 16))
    mixed = _texts(model, [""] * requests, [SHORT, LONG])
    alike = _texts(model, [f"{rules}\n"] * requests, [2 * SHORT])
    unlike = _texts(model, [f"{i} {rules}\n" for i in range(requests)], [2 * SHORT])
    _drive(model, mixed[:2], 0.0, whole=False)
    table = Table(
        "load",
        "batches",
        "CPU s",
        "tokens / s",
        "mean wait",
        f"of {SHORT}",
        f"of {LONG}",
        "cached",
        box=box.SIMPLE_HEAD,
    )
    for load, texts, between, whole in (
        ("all at once", mixed, 0.0, True),
        ("all at once", mixed, 0.0, False),
        (f"one each {gap} s", mixed, gap, True),
        (f"one each {gap} s", mixed, gap, False),
        ("beginnings differ", unlike, 0.0, False),
        ("beginnings shared", alike, 0.0, False),
    ):
        table.add_row(load, "whole" if whole else "running", *_drive(model, texts, between, whole=whole))
    out.print(table)


def _texts(model: LanguageModel, beginnings: Sequence[str], lengths: Sequence[int]) -> list[Wanted]:
    from labeler.models.generation import Wanted, prompt_ids

    dice = np.random.default_rng(0)
    return [
        Wanted(
            prompt=prompt_ids(model, beginning + " ".join(dice.choice(WORDS, dice.integers(20, 80)))),
            max_tokens=lengths[i % len(lengths)],
        )
        for i, beginning in enumerate(beginnings)
    ]


def _drive(model: LanguageModel, texts: Sequence[Wanted], gap: float, *, whole: bool) -> list[str]:
    """The figures of one load, where requests come so many seconds apart; whole batches wait for the one before."""
    from labeler.models.generation import ROWS, Decoder, Generated, Prefixes

    decoder = Decoder(model, Prefixes())
    added, done, waits = 0, dict[int, Generated](), np.zeros(len(texts))
    idle = -time.process_time()  # what to add to the processor's time for the load's own
    while len(done) < len(texts):
        if added == len(done):
            idle = max(idle, added * gap - time.process_time())
        if not whole or added == len(done):
            due = min(len(texts), len(texts) if not gap else int((time.process_time() + idle) / gap) + 1)
            for i in range(added, min(due, added + ROWS) if whole else due):
                decoder.add(i, texts[i])
                added += 1
        for i, found in decoder.step().items():
            if isinstance(found, Exception):
                raise found
            done[i] = found
            waits[i] = time.process_time() + idle - i * gap
    took = time.process_time() + idle
    tokens = sum(text.output_tokens for text in done.values())
    of = {n: waits[[text.max_tokens == n for text in texts]] for n in (SHORT, LONG)}
    kinds = [f"{kind.mean():.2f} s" if len(kind) else "" for kind in of.values()]
    cached = sum(text.cached_tokens for text in done.values()) / sum(text.input_tokens for text in done.values())
    return [f"{took:.1f}", f"{tokens / took:.0f}", f"{waits.mean():.2f} s", *kinds, f"{cached:.0%}"]
