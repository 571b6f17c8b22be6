"""A run on the command line: begun, gone on with, stopped, told of; and the commands that are printed as the next ones."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import typer

from labeler.arguments import amount
from labeler.catalogue.records import activity
from labeler.cli.display import by_kind, counted, dollars, print_json, say, tell
from labeler.cli.following import Following
from labeler.cli.options import BUDGET, DETACH, JSON, KIND, RUN, check_detach
from labeler.errors import InputError
from labeler.llm.errors import NO_ROOM
from labeler.models.names import encoder_available

if TYPE_CHECKING:
    from labeler.api import Dictionary, Run
    from labeler.catalogue.records import Activity, Progress, RunRecord
    from labeler.catalogue.report import Report, ScoreMean
    from labeler.metrics import Average


FIRST = 32
"""Features that a first run is proposed for, at most."""

PIECES = 8
"""Ranges and single indices that a proposed command lists, at most."""

FEATURES_SHOWN = 5
"""Features that a command which shows some shows, at most."""


def to_label(dictionary: Dictionary, features: Sequence[int] | None = None) -> str | None:
    """A command that labels the first features of a dictionary, or some; None where none of them can be labelled.

    Those that can be scored come before those that can only be explained.
    """
    from labeler.pipeline.config import scorable

    if features is not None:
        here = set(dictionary.explainable())
        ready = [index for index in features if index in here]
    else:
        ready = list(islice(scorable(dictionary.store), FIRST)) or dictionary.explainable()
    if not ready:
        return None
    every = features is None and len(ready) == len(dictionary) <= FIRST
    return f"labeler label {dictionary.name}{'' if every else f' --features {spelled(ready)}'}{free_simulator()}"


def to_score_imported(dictionary: Dictionary) -> str | None:
    """A command that scores the labels that came with a dictionary; None where none of them can be scored."""
    fires = dictionary.store.indices[dictionary.store.firing_contexts().any(axis=1)].tolist()
    brought = dictionary.imported()
    if not any(one["side"] == "input" for index in fires for one in brought.get(index, ())):
        return None
    return f"labeler score {dictionary.name} --labels imported{free_simulator()}"


def to_look(run: Run, found: Report) -> str | None:
    """Commands that show what a run made: some of its features, and all of them together; None where it made nothing.

    They name the run where its dictionary has another: what stands in the catalogue may then be of that one.
    """
    from labeler import api

    numbers = sum(one.score.n - one.score.n_undefined for one in found.headlines)
    if numbers:
        which = f"--best {min(numbers, FEATURES_SHOWN)}"
    else:
        labelled = (row["index"] for row in run.rows() if row["state"] in ("labelled", "unclear"))
        which = " ".join(str(index) for index in islice(labelled, FEATURES_SHOWN))
    if not which:
        return None
    alone = all(other.id == run.id for other in api.runs() if other.dictionary == run.dictionary)
    of = "" if alone else f" --run {run.id}"
    return f"labeler show {run.dictionary} {which}{of}; labeler report {run.dictionary}{of}"


def free_simulator() -> str:
    """What a command adds where the usual simulator cannot run here."""
    return "" if encoder_available() else " --simulator lexical"


def spelled(indices: Sequence[int]) -> str:
    """The first FIRST of some rising indices as ``--features`` takes them, and fewer where they are too scattered."""
    some = list(indices[:FIRST])
    starts = [0, *(at + 1 for at, (one, other) in enumerate(pairwise(some)) if other > one + 1), len(some)]
    runs = [(some[first], some[stop - 1]) for first, stop in pairwise(starts)]
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs[:PIECES])


KINDS = {"population": "", "top-and-random": " (of the contexts at hand)"}
"""How the two kinds of scores, which are never averaged together, are told apart."""


def in_a_line(found: ScoreMean) -> str:
    """All that there is to say of one score's mean."""
    why = why_in_none(found)
    parts = [f"{found.key}{KINDS[found.kind]}: {of_how_many(found)}", f"in no mean: {why}" if why else ""]
    return "; ".join(filter(None, (*parts, with_scarce(found))))


def mean(average: Average) -> str:
    """A mean with its interval, and how many undefined scores are in it as 0."""
    if average.mean is None:
        return "–"
    text = f"{average.mean:+.3f}"
    if average.low is not None:
        text += f" [{average.low:+.3f} {average.high:+.3f}]"
    return text + (f", {average.n_undefined:,} undefined as 0" if average.n_undefined else "")


def of_how_many(found: ScoreMean) -> str:
    """A mean, and of how many of the features that have the score; where it has no interval, why."""
    if not found.score.n:
        return f"no mean of {counted(found.n, 'feature')}"
    some = "" if found.score.n == found.n else f"{found.score.n:,} of "
    text = f"mean {mean(found.score)} over {some}{counted(found.n, 'feature')}"
    return f"{text} ({why})" if (why := missing(found.score)) else text


def missing(average: Average) -> str:
    """Why a mean has no interval; nothing where it has one, or is none."""
    from labeler.metrics import LEAST

    if average.mean is None or average.low is not None:
        return ""
    return f"no interval: fewer than {LEAST} features"


def why_in_none(found: ScoreMean) -> str:
    """The features that are in no mean, by reason; nothing where all are in one."""
    return ", ".join(f"{n:,} {why}" for why, n in found.left_out.items())


def with_scarce(found: ScoreMean) -> str:
    """The same mean with those added that are in none for resting on too little, where there are any."""
    every = found.with_scarce
    if every is None:
        return ""
    added = every.n - found.score.n
    rest = "rests" if added == 1 else "rest"
    return f"with the {added:,} that {rest} on too little added: mean {mean(every)} over {every.n:,}"


ROWS_NAMED = 10
"""Labels of a file that are named as left out."""

LEFT_OUT = (
    ("their index is none", "wrong_labels"),
    ("there is no such feature", "unknown_labels"),
    ("their label is empty", "empty_labels"),
    ("they say what another label of their feature does", "repeated_labels"),
    ("their feature never fires in the contexts here", "silent_labels"),
)
"""Why labels are left out, and where a run's configuration names them."""


def resume(run: RUN, budget: BUDGET = None, detach: DETACH = False, json: JSON = False) -> None:
    """Go on with a run that was stopped, cancelled or killed, or that paused at its budget: then with a larger one."""
    from labeler import api

    check_detach(detach)
    budget = amount(budget, "--budget")
    found = api.run(run)
    record = found.record
    if record.state == "paused" and budget is None and record.budget_usd is not None and record.reason == NO_ROOM:
        raise InputError(
            f"run {found.id} has no room left in its budget of {dollars(record.budget_usd)}; give a larger --budget"
        )
    if record.state in ("cancelled", "paused") or budget is not None:
        found.resume(budget)
    go_on(found, detach, json)


def retry(run: RUN, kind: KIND = None, detach: DETACH = False, json: JSON = False) -> None:
    """Try a run's failed features again, or those that failed in some ways."""
    from labeler import api

    check_detach(detach)
    found = api.run(run)
    tell(f"{counted(found.retry(kind), 'failed feature')} to be tried again")
    go_on(found, detach, json)


def cancel(run: RUN) -> None:
    """Stop a run; `labeler resume` lets it go on."""
    from labeler import api

    found = api.run(run)
    if found.cancel():
        say(f"run {found.id} is cancelled; to go on: labeler resume {found.id}")
    else:
        say(f"run {found.id} is finished already; there is nothing to cancel")


def begin(run: Run, detach: bool, json: bool) -> None:
    """See a new run through, or leave it to the workers of the fleet."""
    for why, key in LEFT_OUT:
        if places := run.record.config.get(key):
            more = f" and {len(places) - ROWS_NAMED:,} more" if len(places) > ROWS_NAMED else ""
            tell(f"left out, for {why}: {counted(len(places), 'label')}: {'; '.join(places[:ROWS_NAMED])}{more}")
    if several := run.record.config.get("several_labels"):
        tell(
            f"chosen between, for their feature has several: {counted(sum(several), 'label')} of "
            f"{counted(len(several), 'feature')}; labeler show names the others"
        )
    left_out = run.record.config.get("without_label", 0)
    if left_out:
        tell(f"left out, for they have no label: {counted(left_out, 'feature')}")
    config = run.record.config
    if output_side := config.get("output_side", 0):
        stood = config.get("output_before", 0)
        where = "stand" if config["labelling"]["labels"] == "catalogue" else "stay under their own runs"
        before = f"; scores that {counted(stood, 'label')} of these had before {where}" if stood else ""
        tell(
            f"not scored, for their label says what they promote: {counted(output_side, 'feature')} "
            f"(--output-labels){before}"
        )
    if ours := config.get("made_here", 0):
        tell(
            f"made here, and scored as the label that stands, on what its explainer was not shown: {counted(ours, 'label')}"
        )
    if instead := config.get("instead", 0):
        tell(in_place_of_others(instead, config["labelling"]["labels"]))
    go_on(run, detach, json)


def in_place_of_others(n: int, source: str) -> str:
    """What becomes of the labels that stand already for n features whose labels come from elsewhere."""
    if source == "imported":
        return f"beside another label of its feature, which goes on speaking for it: {counted(n, 'label')}"
    return (
        f"in the place of another label of its feature: {counted(n, 'label')}; the other one stays under its own run, which "
        "labeler show names"
    )


def go_on(run: Run, detach: bool, json: bool) -> None:
    """See a run through, or leave what is still to be done to the workers of the fleet."""
    if not detach:
        see_through(run, json)
        return
    if run.record.state == "running":
        run.ring()
    report(run, json, detached=True)


def see_through(run: Run, json: bool) -> None:
    """Follow a run to its end and report; exit status 1 where features failed."""
    try:
        with Following("labelling" if run.explains else "scoring") as following:
            last = run.work(following)
    except KeyboardInterrupt:
        tell(f"stopped; nothing is lost. To go on: labeler resume {run.id}")
        raise
    report(run, json)
    if not json:
        conclude(run)
    if last.failed or run.record.state == "paused":
        raise typer.Exit(1)


def displaced(run: Run) -> str:
    """Which labels that are not scored came to stand in the place of others that are; nothing where none did."""
    config = run.record.config
    if not config.get("instead") or config["labelling"]["labels"] == "imported":
        return ""  # nothing came in another's place
    found = run.displaced()
    if not found:
        return ""
    more = f" and {len(found) - ROWS_NAMED:,} more" if len(found) > ROWS_NAMED else ""
    which = ", ".join(map(str, found[:ROWS_NAMED])) + more
    return (
        f"not scored, in the place of a label that is: feature{'s' if len(found) > 1 else ''} {which}; "
        f"labeler show {run.dictionary} {found[0]} names the other one"
    )


def conclude(run: Run) -> None:
    """What a run's labels are worth on the whole, and what to type next."""
    found = run.report()
    headlines = {(one.key, one.kind) for one in found.headlines}
    besides = [one for one in found.scores if one.key in run.makes and (one.key, one.kind) not in headlines]
    for one in (*found.headlines, *besides):
        say(in_a_line(one))
    if bare := displaced(run):
        say(bare)
    if hint := to_look(run, found):
        say(f"next: {hint}")


def report(run: Run, json: bool, detached: bool = False) -> None:
    """What came of a run."""
    record, progress = run.record, run.progress()
    if json:
        print_json(facts(record, progress, run.batches()))
        return
    if detached and record.state == "running":
        say(f"run {run.id}: {waiting(progress)}; labeler status {run.id}")
        return
    states = ", ".join(f"{n} {state}" for state, n in sorted(progress.by_state.items())) or "nothing yet"
    to_come = f"; {waiting(progress)}" if progress.done < progress.total else ""
    spent = money(record, progress) if progress.calls or progress.unknown_calls else "nothing asked of anyone"
    now = activity_of(record, progress)
    say(f"run {run.id} is {now}: {states}{to_come}; {spent}")
    if hint := to_go_on(run.id, now, record, progress):
        say(hint)
    for line in beside(run, record, progress):
        say(line)
    if progress.failed:
        first = next(row for row in run.rows() if row["state"] == "failed")
        say(f"failed: {by_kind(progress.failures)}; the first, feature {first['index']}: {first['reason']}")
        of_one = f" [--kind {next(iter(progress.failures))}]" if len(progress.failures) > 1 else ""
        say(f"to try the failed ones again: labeler retry {run.id}{of_one}")


def activity_of(record: RunRecord, progress: Progress) -> Activity:
    """What is happening to a run now."""
    from labeler.settings import settings

    return activity(record, progress, time.time(), fleet=not settings().embedded)


def to_go_on(run_id: str, now: Activity, record: RunRecord, progress: Progress) -> str:
    """What a run that nobody is at takes to go on; nothing where it needs nothing, or is not to."""
    if now == "waiting" and record.config["labelling"].get("mode") == "offline" and progress.pending:
        return f"{counted(progress.pending, 'answer')} to come: labeler requests export {run_id} --out DIR"
    if now == "waiting":
        return f"no worker is at {run_id}; to start one: labeler worker"
    if now in ("stopped", "paused"):
        more = " --budget USD" if record.reason == NO_ROOM else ""
        return f"{run_id} is {now}; to go on: labeler resume {run_id}{more}"
    return ""


LABELS = {"catalogue": "the labels that stand", "imported": "imported labels", "given": "given labels"}
"""What a run scores that explains nothing, by where its labels come from; a file has its own name."""


def did(config: Mapping[str, Any]) -> str:
    """What a run does, and by which models: from its configuration as it is stored."""
    asked = config.get("labelling", {})
    source = asked.get("labels")
    explainers = [*asked.get("explainers", ()), *filter(None, [asked.get("escalate")])]
    if source is None:
        parts = [f"explain by {', '.join(explainers)}"]
    else:
        parts = [f"score {LABELS.get(source) or 'labels of ' + source.removeprefix('file:')}"]
    for doing, names in (("simulate", asked.get("simulators")), ("judge", asked.get("scorers"))):
        parts += [f"{doing} by {', '.join(names)}"] if names else []
    return "; ".join(parts)


def waiting(progress: Progress) -> str:
    """What is still to be done: features without a label, and labels whose null is still to come."""
    parts = [f"{counted(progress.open, 'feature')} {'is' if progress.open == 1 else 'are'} waiting"]
    if progress.in_control:
        parts.append(f"{counted(progress.in_control, 'label')} to be compared with the null")
    return ", ".join(parts[not progress.open and len(parts) > 1 :])


def facts(record: RunRecord, progress: Progress, batches: dict[str, int]) -> dict[str, object]:
    """A run for another program."""
    return {
        "run": record.id,
        "dictionary": record.dictionary,
        "state": record.state,
        "activity": activity_of(record, progress),
        "reason": record.reason,
        "budget_usd": record.budget_usd,
        "committed_usd": record.committed_usd,
        **vars(progress),
        "open": progress.open,
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
        lines.append(f"paused: {record.reason or 'nobody said why'}")
    elif progress.pending and run.mode != "offline":
        lines.append(f"{counted(progress.pending, 'answer')} to come, in a batch or for one")
    return lines
