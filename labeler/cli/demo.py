"""``labeler demo``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from labeler.cli.demo_table import FeatureTable, headline, line_of, number, share
from labeler.cli.display import counted, dollars, err, out
from labeler.cli.following import Following, collecting

if TYPE_CHECKING:
    from labeler.api import Dictionary, Run
    from labeler.demo import Verdict

LIVE = typer.Option(
    "--live", help="Do everything in this process: collect evidence, explain with a local model. Minutes."
)

BENEATH = ("beneath", "a context that no explainer was shown, marked where the feature is strongest")


def demo(live: Annotated[bool, LIVE] = False) -> None:
    """The main job on a shipped sample: no key, no server. Interrupted and called again, it goes on."""
    try:
        (_live if live else _recorded)()
    except KeyboardInterrupt:
        err.print(f"stopped; nothing is lost. To go on: labeler demo{' --live' if live else ''}")
        raise


def _recorded() -> None:
    """Shipped evidence and a chat model's recorded answers; everything else is done here and now."""
    from labeler import recorded_demo as job

    out.print(announced(), highlight=False, markup=False, soft_wrap=True)
    dictionary = job.demo_dictionary()
    run = job.label_demo(dictionary)
    with Following() as following:
        run.work(following)
    rows = list(run.rows())
    out.print(recorded_table(rows, dictionary))
    for verdict in job.verdicts(run, job.KEYS):
        out.print(sentence(verdict), highlight=False, soft_wrap=True)
    out.print()
    for line in told(job.bill(run), job.unanswered(run)):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    out.print()
    after(run, rows, job.KEYS[0])
    _end(rows, "labeler demo")


def _live() -> None:
    """Model, dictionary and corpus -> evidence -> labels by a local model, all of it in this process."""
    from labeler import demo as job

    with collecting() as progress:
        dictionary, size = job.collect_live(progress)
    run = job.label_live(dictionary, size)
    with Following() as following:
        run.work(following)
    rows = list(run.rows())
    out.print(table(rows, dictionary))
    for verdict in job.verdicts(run, job.KEYS):
        out.print(sentence(verdict), highlight=False, soft_wrap=True)
    won = ", ".join(f"{n} by {explainer}" for explainer, n in sorted(job.winners(rows).items(), key=lambda x: -x[1]))
    out.print(f"labels won: {won}", highlight=False, soft_wrap=True)
    out.print()
    after(run, rows, job.KEYS[-1])
    _end(rows, "labeler demo --live")


def _end(rows: Sequence[dict[str, Any]], command: str) -> None:
    failed = sum(row["state"] == "failed" for row in rows)
    if failed:
        err.print(f"{counted(failed, 'feature')} failed; to try again: {command}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def recorded_table(rows: Sequence[dict[str, Any]], dictionary: Dictionary, shown: int | None = None) -> FeatureTable:
    """Index, label, the headline with interval and null percentile, the free scores beside it; the first, or all."""
    from labeler.recorded_demo import CONTEXTS, KEYS

    lines = []
    for row in rows[:shown]:
        chat, encoder, words = (row["scores"].get(key) for key in KEYS)
        figures = [headline(chat), share(chat), number(encoder), number(words)]
        lines.append(line_of(row, dictionary.evidence(row["index"]), figures))
    return FeatureTable(
        title=f"{len(rows)} features of SmolLM2-135M, layer 14: named by a chat model, scored on text it was not shown",
        names=("simulated", "null", "encoder", "words"),
        lines=lines,
        left_out=len(rows) - len(lines),
        notes=[
            (
                "simulated",
                f"how activations predicted from the label alone correlate with the true ones, {_over(dictionary)}",
            ),
            (
                "~",
                f"the interval reaches further than .15 to a side: of each feature only {CONTEXTS} contexts are predicted",
            ),
            ("null", "the share of other features' labels that do worse"),
            (
                "encoder, words",
                "the same correlation by simulators that ask no model: a sentence encoder, a look-up of words",
            ),
            BENEATH,
        ],
    )


def _over(dictionary: Dictionary) -> str:
    return f"over {dictionary.store.manifest.n_tokens:,} tokens, with a 95 % interval"


def announced() -> str:
    """Whose answers it goes by, before anything is done."""
    from labeler.recorded_demo import ANSWERED_BY, RECORDED_ON

    model = ANSWERED_BY.partition(":")[2].capitalize()
    return (
        f"The chat model's answers are recorded ({model}, {RECORDED_ON}, blind); everything else (drawing, queue, "
        "simulation, scores, nulls) is done here, now."
    )


def told(bill: Any, unanswered: Sequence[int]) -> list[str]:
    """What the recorded answers would cost, and where something else was asked here than then: lines."""
    price = ", ".join(f"{dollars(usd)} at {name}" for name, usd in bill.usd.items())
    lines = []
    if bill.input_tokens:
        lines.append(
            f"Asked live, what the recording answered ({bill.input_tokens:,} tokens in, {bill.output_tokens:,} out) "
            f"would cost about {price or 'an unknown sum'}."
        )
    if unanswered:
        lines.append(
            f"Of {counted(len(unanswered), 'feature')} something else was asked on this machine than was recorded, and "
            f"so not answered; what needs no such answer is there all the same: {', '.join(map(str, unanswered))}."
        )
    return lines


def table(rows: Sequence[dict[str, Any]], dictionary: Dictionary) -> FeatureTable:
    """Index, label, both scores with intervals, null percentile, and which explainer won."""
    from labeler.demo import CONTEXTS, KEYS

    lines = []
    for row in rows:
        model, encoder = (row["scores"].get(key) for key in KEYS)
        won = Text((row["explainer"] or "–").partition(":")[0])
        figures = [headline(model), share(model), number(encoder), share(encoder), won]
        lines.append(line_of(row, dictionary.evidence(row["index"]), figures))
    return FeatureTable(
        title=f"{len(rows)} features of SmolLM2-135M, layer 14, labelled and scored on text their explainers never saw",
        names=("likelihood", "null", "encoder", "null", "won by"),
        lines=lines,
        notes=[
            (
                "likelihood",
                f"how activations predicted from the label alone correlate with the true ones, {_over(dictionary)}",
            ),
            (
                "~",
                f"the interval reaches further than .15 to a side: of each feature only {CONTEXTS} contexts are predicted",
            ),
            ("encoder", "the same correlation by a sentence encoder"),
            ("null", "the share of other features' labels that do worse"),
            ("won by", "the explainer whose label was chosen"),
            BENEATH,
        ],
    )


def sentence(verdict: Verdict) -> str:
    """What the null says of all labels together."""
    d = verdict.difference
    name = verdict.key.removeprefix("simulation.")
    interval = "" if d.low is None else f" [{d.low:+.3f}, {d.high:+.3f}]"
    return (
        f"{name:<11} a label scores {d.mean:+.3f}{interval} above the mean of other features' labels ({d.n} features)"
    )


def after(run: Run, rows: Sequence[dict[str, Any]], key: str) -> None:
    """Where the catalogue is, what to try next, and what a key would buy."""
    from labeler.recorded_demo import PRICED_AS
    from labeler.settings import settings

    chosen = settings()
    where = str(chosen.home / "labeler.db") if chosen.database_url is None else "the database of LABELER_DATABASE_URL"
    best = max(rows, key=lambda row: (row["scores"].get(key) or {}).get("value") or -1.0)
    lines = [f"The catalogue is in {where} (run {run.id}). Try next:"]
    lines.append(f"  labeler show {run.dictionary} {best['index']}")
    lines.append(f"  labeler report {run.dictionary}")
    lines.append(f"  labeler export {run.dictionary} --out labels.csv")
    for secret, name in zip((chosen.anthropic_api_key, chosen.openai_api_key), PRICED_AS, strict=True):
        if secret is not None:
            first = ",".join(str(row["index"]) for row in rows[:10])
            lines.append(
                "A key is set. With it (this spends money, and its labels take the place of these features'):\n"
                f"  labeler label {run.dictionary} --features {first} --explainer {name} --simulator {name}"
            )
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
