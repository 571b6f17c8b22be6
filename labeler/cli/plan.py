"""``labeler plan``"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labeler.amounts import digits, duration, many, rounded, usd
from labeler.arguments import amount as money
from labeler.cli.display import Column, counted, print_json, print_table, say
from labeler.cli.options import (
    BATCH,
    BUDGET,
    CONTEXTS,
    ESCALATE,
    EXPLAINER,
    FEATURES,
    FOREIGN,
    JSON,
    PRECISION,
    PROMPT,
    SCORER,
    SEED,
    SIMULATOR,
    read_prompts,
)
from labeler.options import Options

if TYPE_CHECKING:
    from labeler.pipeline.plan import Plan, PlannedNull


def plan(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    features: FEATURES = None,
    explainer: EXPLAINER = None,
    simulator: SIMULATOR = None,
    scorer: SCORER = None,
    contexts: CONTEXTS = Options.contexts,
    precision: PRECISION = Options.precision,
    foreign: FOREIGN = Options.foreign,
    seed: SEED = Options.seed,
    escalate: ESCALATE = None,
    budget: BUDGET = None,
    batch: BATCH = False,
    prompt: PROMPT = None,
    json: JSON = False,
) -> None:
    """What labelling would take: calls, tokens, dollars and hours, before a cent is spent.

    Each explainer by itself, with the same simulators and scorers; with --batch both ways of asking, side by side; with
    --budget how many features it would finish. The figures come from the real requests of a random sample of the
    features; nothing is sent, and no key is needed.
    """
    from labeler import api
    from labeler.models.counting import counted_by

    dictionary = api.open(name)
    plans = dictionary.plan(
        features,
        batch=batch,
        explainers=explainer or Options.explainers,
        simulators=simulator or Options.simulators,
        scorers=scorer or Options.scorers,
        contexts=contexts,
        precision=precision,
        foreign=foreign,
        seed=seed,
        budget=money(budget, "--budget"),
        escalate=escalate,
        prompts=read_prompts(prompt),
    )
    if json:
        print_json([{**asdict(one), "counted_by": counted_by()} for one in plans])
        return
    rows = []
    for one in plans:
        rows.append([one.explainer, one.mode, *figures(one), one.hours.shown(duration)])
        if one.null is not None and one.null.calls.high:
            rows.append(["  of this the null", "", *figures(one.null), ""])
    print_table(COLUMNS, rows)
    first = plans[0]
    say(
        f"for {counted(first.features, 'feature')}, from the requests of {first.sampled}; tokens by {counted_by()}; "
        "in brackets from the least to the most that is to be expected"
    )
    say(f"the time: {paces(max(plans, key=lambda one: one.calls.high), batch)}")
    if any(one.calls.high for one in plans) and first.by_halves:
        say(
            f"by halves, for they fire in few documents: {first.by_halves} of those {first.sampled}; an explainer is asked "
            "three times there, about all of the documents and about either half"
        )
    if first.null is not None:
        say(null_of(first.null, foreign))
    for model in dict.fromkeys(model for one in plans for model in one.unpriced):
        say(f"the price of {model} is not known; LABELER_PRICES can say it")
    for one in plans if budget is not None else ():
        say(f"{one.explainer}, {one.mode}: {within(one)}")


COLUMNS = (
    Column("explainer"),
    Column("mode"),
    *(Column(name, right=True) for name in ("calls", "prompt tokens", "answer tokens", "dollars", "time")),
)


def within(one: Plan) -> str:
    """What comes of a plan's budget."""
    budget = f"${one.budget_usd:,.10g}"
    if one.finished is None:
        return f"whether {budget} is enough nobody can say without a price"
    if one.finished.low == one.features:
        return f"{budget} is enough"
    likely = (
        "is probably enough, but may finish no more than" if one.finished.mid == one.features else "would finish about"
    )
    enough = f"{one.finished.low:,.0f}" if one.finished.mid == one.features else one.finished.shown("{:,.0f}".format)
    return f"{budget} {likely} {enough} of {one.features:,} features"


def paces(one: Plan, batch: bool) -> str:
    """What the hours of plans rest on."""
    from labeler.pipeline.plan import BATCH_HOURS, CALL_SECONDS, TIMED, Span
    from labeler.pipeline.worker_loop import IN_FLIGHT

    here = (
        f"this machine takes {digits(one.start_seconds)} s to begin, models loaded, and {digits(one.feature_seconds)} s a "
        f"feature (measured on {min(TIMED, one.sampled)})"
    )
    if not one.calls.high:
        return here
    calls = (
        f"a call takes {Span(*CALL_SECONDS).shown(digits)} s, {IN_FLIGHT} features are asked about at once, fewer where known "
        "limits allow no more, and of one feature a stage waits for the one before"
    )
    batches = f" (a batch takes {Span(*BATCH_HOURS).shown(duration)})" if batch else ""
    return f"{here}; {calls}{batches}"


def figures(one: Plan | PlannedNull) -> list[str]:
    """Calls, tokens and dollars."""
    numbers = [one.calls.shown(many), one.input_tokens.shown(rounded), one.output_tokens.shown(rounded)]
    return [*numbers, "unknown" if one.usd is None else one.usd.shown(usd)]


def null_of(null: PlannedNull, foreign: int | None) -> str:
    """What the null by paid models is, in a line."""
    if not null.features:
        why = ": more than a fifth of so small a run; --foreign 1 takes one" if foreign is None else ""
        return f"no null by paid models{why}"
    each = counted(null.labels, "label")
    return f"the null: {each} of other features on each of {null.features}; --foreign N takes another, 0 none"
