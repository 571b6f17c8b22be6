"""``labeler label``, ``resume``, ``retry`` and ``cancel``"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeler.cli.display import Following, clean, dollars, err, out, print_json
from labeler.errors import InputError

if TYPE_CHECKING:
    from labeler.api import Run

RUN = Annotated[str, typer.Argument(help="The run's id, or enough of its beginning.")]
JSON = Annotated[bool, typer.Option("--json", help="Report for another program.")]


FEATURES = Annotated[
    str | None, typer.Option(help="Which: 0-99,512 or @file (one index a line); all of them otherwise.")
]
SIMULATOR = Annotated[
    list[str] | None,
    typer.Option(
        help="embedding, lexical, sparse=LLM or just an LLM, likelihood=, logprob= or sum=local:MODEL; repeatable, "
        "the first is the headline."
    ),
]
SCORER = Annotated[
    list[str] | None,
    typer.Option(
        help="What judges labels besides: detection=LLM or just an LLM, fuzzing=LLM, discrimination=LLM, intruder=LLM, "
        "embedding_auc; repeatable."
    ),
]
CONTEXTS = Annotated[int, typer.Option(help="Contexts that a paid simulator or scorer is asked about for a feature.")]
PRECISION = Annotated[float, typer.Option(help="Half width of an interval above which a score is 'imprecise'.")]
SEED = Annotated[int, typer.Option(help="Of every draw.")]
DETACH = Annotated[bool, typer.Option(help="Store the run and return; the workers of the fleet see to it.")]


def label(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    features: FEATURES = None,
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            help="lexical, or an LLM such as anthropic:MODEL, openai:MODEL[@URL], local:smollm2-135m; repeatable."
        ),
    ] = None,
    simulator: SIMULATOR = None,
    scorer: SCORER = None,
    contexts: CONTEXTS = 80,
    precision: PRECISION = 0.15,
    seed: SEED = 0,
    detach: DETACH = False,
    json: JSON = False,
) -> None:
    """Explain features, choose between explanations, score them, and store the labels."""
    from labeler import api

    dictionary = api.open(name)
    chosen = None if features is None else parse_features(features, dictionary.store.indices.tolist())
    check_detach(detach)
    run = dictionary.label(
        chosen,
        explainers=explainer or ["lexical"],
        simulators=simulator or ["embedding"],
        scorers=scorer or [],
        contexts=contexts,
        precision=precision,
        seed=seed,
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


def resume(run: RUN, json: JSON = False) -> None:
    """Go on with a run that was stopped, cancelled or killed."""
    from labeler import api

    found = api.run(run)
    if found.record.state == "cancelled":
        found.resume()
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
    if last.failed:
        raise typer.Exit(1)


def report(run: Run, json: bool, detached: bool = False) -> None:
    """What came of a run."""
    record, progress = run.record, run.progress()
    if json:
        print_json({"run": run.id, "dictionary": run.dictionary, "state": record.state, **vars(progress)})
        return
    if detached:
        out.print(f"run {run.id}: {progress.total} features are waiting; labeler status {run.id}", highlight=False)
        return
    states = ", ".join(f"{n} {state}" for state, n in sorted(progress.by_state.items()))
    spent = f"{dollars(progress.usd)} for {progress.calls} calls" if progress.calls else "nothing asked of anyone"
    out.print(f"run {run.id} is {record.state}: {states or 'nothing yet'}; {spent}", highlight=False)
    if progress.failed:
        first = next(row for row in run.rows() if row["state"] == "failed")
        out.print(f"feature {first['index']} failed: {clean(first['reason'])}", highlight=False, markup=False)
        out.print(f"to try the failed ones again: labeler retry {run.id}", highlight=False)


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
