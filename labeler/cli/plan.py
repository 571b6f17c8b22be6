"""``labeler plan``"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

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
    from labeler.pipeline.plan import Plan, PlannedNull, Span


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
        rows.append([one.explainer, one.mode, *figures(one), span(one.hours, duration)])
        if one.null is not None and one.null.calls.high:
            rows.append(["  of this the null", "", *figures(one.null), ""])
    print_table(COLUMNS, rows)
    first = plans[0]
    say(
        f"for {first.features:,} features, from the requests of {first.sampled}; tokens by {counted_by()}; "
        "in brackets from the least to the most that is to be expected"
    )
    if any(one.calls.high for one in plans):
        say(f"the time is {paces(batch)}")
        if first.by_halves:
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
    many = f"{one.finished.low:,.0f}" if one.finished.mid == one.features else span(one.finished, "{:,.0f}".format)
    return f"{budget} {likely} {many} of {one.features:,} features"


def paces(batch: bool) -> str:
    """What the hours of plans rest on."""
    from labeler.pipeline.plan import BATCH_HOURS, CALL_SECONDS, IN_FLIGHT, Span

    calls = f"{IN_FLIGHT} calls at once of {span(Span(*CALL_SECONDS), digits)} s each, fewer where known limits allow no more"
    batches = f" (a batch takes {span(Span(*BATCH_HOURS), duration)})" if batch else ""
    return f"that of {calls}{batches}, and what this machine took for the sample"


def figures(one: Plan | PlannedNull) -> list[str]:
    """Calls, tokens and dollars."""
    numbers = [span(s, rounded) for s in (one.calls, one.input_tokens, one.output_tokens)]
    return [*numbers, "unknown" if one.usd is None else span(one.usd, amount)]


def null_of(null: PlannedNull, foreign: int | None) -> str:
    """What the null by paid models is, in a line."""
    if not null.features:
        why = ": more than a fifth of so small a run; --foreign 1 takes one" if foreign is None else ""
        return f"no null by paid models{why}"
    each = counted(null.labels, "label")
    return f"the null: {each} of other features on each of {null.features}; --foreign N takes another, 0 none"


def span(value: Span, shown: Callable[[float], str]) -> str:
    """A number with its interval."""
    low, mid, high = shown(value.low), shown(value.mid), shown(value.high)
    return mid if low == high else f"{mid} [{low} {high}]"


def rounded(value: float) -> str:
    """A number as people read it: two or three digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return digits(value / size) + unit
    return digits(value)


def amount(usd: float) -> str:
    """Dollars, two digits of them where they are few."""
    return f"{usd:,.0f}" if usd >= 100 else f"{usd:.2f}" if usd >= 1 else f"{usd:.2g}"


def duration(hours: float) -> str:
    """Hours in the unit that fits them."""
    for size, unit in ((48.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= size:
            return digits(hours / min(size, 24.0)) + unit
    return digits(hours * 3600) + "s"


def digits(value: float) -> str:
    """A number below a thousand, without a fraction where it has two digits before it."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
