"""``labeler label``"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from labeler.cli.options import (
    BATCH,
    BELOW,
    BUDGET,
    CONTEXTS,
    DETACH,
    ESCALATE,
    EXPLAINER,
    FEATURES,
    JSON,
    OFFLINE,
    PRECISION,
    PROMPT,
    SCORER,
    SEED,
    SIMULATOR,
    check_budget,
    check_detach,
    mode_of,
    read_prompts,
)
from labeler.cli.running import begin
from labeler.errors import InputError


def label(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    features: FEATURES = None,
    explainer: EXPLAINER = None,
    simulator: SIMULATOR = None,
    scorer: SCORER = None,
    contexts: CONTEXTS = 80,
    precision: PRECISION = 0.15,
    seed: SEED = 0,
    escalate: ESCALATE = None,
    below: BELOW = 0.2,
    budget: BUDGET = None,
    batch: BATCH = False,
    offline: OFFLINE = False,
    prompt: PROMPT = None,
    detach: DETACH = False,
    json: JSON = False,
) -> None:
    """Explain features, choose between explanations, score them, and store the labels."""
    from labeler import api

    dictionary = api.open(name)
    chosen = None if features is None else parse_features(features, dictionary.store.indices.tolist())
    check_detach(detach)
    check_budget(budget)
    run = dictionary.label(
        chosen,
        explainers=explainer or ["lexical"],
        simulators=simulator or ["embedding"],
        scorers=scorer or [],
        contexts=contexts,
        precision=precision,
        seed=seed,
        mode=mode_of(batch, offline),
        budget=budget,
        escalate=escalate,
        below=below,
        prompts=read_prompts(prompt),
    )
    begin(run, detach, json)


def parse_features(text: str, here: Sequence[int]) -> list[int]:
    """Indices out of ``0-99,512`` or ``@file``, of those that are ``here`` (ascending).

    A range means those in it that are here. InputError where they are none, or go beyond the dictionary's.
    """
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise InputError(f"no file '{path}' with feature indices, one a line")
        text = ",".join(path.read_text(encoding="utf-8", errors="replace").split())
    found: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"'{part}' is no feature index; write 0-99,512 or @file with an index a line")
        start, end = int(first), int(last or first)
        if end < start:
            raise InputError(f"'{part}' is no range of features; the smaller index comes first")
        if end > here[-1]:
            raise InputError(f"feature {end} is out of range: there are features {here[0]} to {here[-1]}")
        among = here[bisect_left(here, start) : bisect_right(here, end)]
        if not among:
            raise InputError(f"no feature of '{part}' is here; the nearest is {_nearest(here, start)}")
        found.extend(among)
    if not found:
        raise InputError("no features were named; write 0-99,512 or @file with an index a line")
    return found


def _nearest(here: Sequence[int], index: int) -> int:
    at = bisect_left(here, index)
    return min(here[max(0, at - 1) : at + 1], key=lambda found: abs(found - index))
