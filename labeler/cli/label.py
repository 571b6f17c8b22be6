"""``labeler label``, ``resume``, ``retry`` and ``cancel``"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeler.cli.display import clean, counted, dollars, err, out, print_json
from labeler.cli.following import Following
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
    RUN,
    SCORER,
    SEED,
    SIMULATOR,
    check_budget,
    mode_of,
    read_prompts,
)
from labeler.errors import InputError
from labeler.llm.errors import NO_ROOM

if TYPE_CHECKING:
    from labeler.api import Run
    from labeler.catalogue.records import Progress, RunRecord


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


def check_detach(detach: bool) -> None:
    """InputError where a run is to be left to workers that nobody could ring for."""
    from labeler import api

    if detach and api.settings().embedded:
        raise InputError("--detach leaves the run to workers, but no LABELER_BROKER_URL says where they listen")


def begin(run: Run, detach: bool, json: bool) -> None:
    """See a new run through, or leave it to the workers of the fleet."""
    left_out = run.record.config.get("without_label", 0)
    if left_out:
        err.print(f"left out, for they have no label: {left_out:,} features", highlight=False)
    if not detach:
        see_through(run, json)
        return
    from labeler import api
    from workers.app import make_app, ring

    ring(make_app(api.settings()))
    report(run, json, detached=True)


def resume(run: RUN, budget: BUDGET = None, json: JSON = False) -> None:
    """Go on with a run that was stopped, cancelled or killed, or that paused at its budget: then with a larger one."""
    from labeler import api

    check_budget(budget)
    found = api.run(run)
    record = found.record
    if record.state == "paused" and budget is None and record.budget_usd is not None and record.reason == NO_ROOM:
        raise InputError(
            f"run {found.id} has no room left in its budget of {dollars(record.budget_usd)}; give a larger --budget"
        )
    if record.state in ("cancelled", "paused") or budget is not None:
        found.resume(budget)
    see_through(found, json)


def retry(run: RUN, json: JSON = False) -> None:
    """Try a run's failed features again."""
    from labeler import api

    found = api.run(run)
    err.print(f"{found.retry()} failed features are tried again", highlight=False)
    see_through(found, json)


def cancel(run: RUN) -> None:
    """Stop a run; `labeler resume` lets it go on."""
    from labeler import api

    found = api.run(run)
    found.cancel()
    out.print(f"run {found.id} is cancelled; to go on: labeler resume {found.id}", highlight=False)


def see_through(run: Run, json: bool) -> None:
    """Follow a run to its end and report; exit status 1 where features failed."""
    try:
        with Following("labelling" if run.explains else "scoring") as following:
            last = run.work(following)
    except KeyboardInterrupt:
        err.print(f"stopped; nothing is lost. To go on: labeler resume {run.id}", highlight=False)
        raise
    report(run, json)
    if last.failed or run.record.state == "paused":
        raise typer.Exit(1)


def report(run: Run, json: bool, detached: bool = False) -> None:
    """What came of a run."""
    record, progress = run.record, run.progress()
    if json:
        print_json(facts(record, progress, run.batches()))
        return
    if detached:
        out.print(f"run {run.id}: {progress.total} features are waiting; labeler status {run.id}", highlight=False)
        return
    states = ", ".join(f"{n} {state}" for state, n in sorted(progress.by_state.items()))
    spent = money(record, progress) if progress.calls or progress.unknown_calls else "nothing asked of anyone"
    out.print(f"run {run.id} is {record.state}: {states or 'nothing yet'}; {spent}", highlight=False)
    for line in beside(run, record, progress):
        out.print(line, highlight=False, markup=False)
    if progress.failed:
        first = next(row for row in run.rows() if row["state"] == "failed")
        out.print(f"feature {first['index']} failed: {clean(first['reason'])}", highlight=False, markup=False)
        out.print(f"to try the failed ones again: labeler retry {run.id}", highlight=False)


def facts(record: RunRecord, progress: Progress, batches: dict[str, int]) -> dict[str, object]:
    """A run for another program."""
    return {
        "run": record.id,
        "dictionary": record.dictionary,
        "state": record.state,
        "reason": record.reason,
        "budget_usd": record.budget_usd,
        "committed_usd": record.committed_usd,
        **vars(progress),
        "cached_share": progress.cached_share,
        "usd_a_feature": progress.usd_a_feature,
        "batches": batches,
    }


def money(record: RunRecord, progress: Progress) -> str:
    """What a run has spent, of what, and on what."""
    budget = f" of {dollars(record.budget_usd)}" if record.budget_usd is not None else ""
    text = f"{dollars(progress.usd)}{budget} for {counted(progress.calls, 'call')}"
    if progress.cached_share is not None:
        text += f", {progress.cached_share:.0%} of {progress.input_tokens:,} prompt tokens cached"
    if progress.usd_a_feature:
        text += f", {dollars(progress.usd_a_feature)} a feature"
    return text


def beside(run: Run, record: RunRecord, progress: Progress) -> list[str]:
    """What else there is to say of a run: lines."""
    lines = []
    if progress.unpriced_calls and run.mode == "offline":
        lines.append(f"{progress.unpriced_calls:,} answers came by file; what they cost is not known here")
    elif progress.unpriced_calls:
        lines.append(f"the price of {progress.unpriced_calls:,} calls is not known; LABELER_PRICES can say it")
    if progress.unknown_calls:
        what = "in flight or of unknown outcome" if record.state == "running" else "of unknown outcome"
        lines.append(f"{progress.unknown_calls:,} calls are {what}: {dollars(progress.unknown_usd)} at most")
    if batches := run.batches():
        lines.append("batches: " + ", ".join(f"{n} {state}" for state, n in sorted(batches.items())))
    if record.state == "paused":
        lines.append(f"paused: {clean(record.reason or 'nobody said why')}")
        more = " --budget USD" if record.reason == NO_ROOM else ""
        lines.append(f"to go on: labeler resume {run.id}{more}")
    elif progress.pending and run.mode == "offline":
        lines.append(f"{counted(progress.pending, 'answer')} to come: labeler requests export {run.id} --out DIR")
    elif progress.pending:
        lines.append(f"{counted(progress.pending, 'answer')} to come, in a batch or for one")
    return lines


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
