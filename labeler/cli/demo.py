"""``labeler demo``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from labeler.cli.display import clean, counted, dollars, err, out, score_text
from labeler.cli.following import Following, collecting

if TYPE_CHECKING:
    from labeler.api import Dictionary, Run
    from labeler.demo import Verdict
    from labeler.features import Evidence

LIVE = typer.Option(
    "--live", help="Do everything in this process: collect evidence, explain with a local model. Minutes."
)


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
    _end(rows)


def _live() -> None:
    """Model, dictionary and corpus -> evidence -> labels by a local model, all of it in this process."""
    from labeler import demo as job

    with collecting() as progress:
        dictionary, size = job.collect_live(progress)
    run = job.label_live(dictionary, size)
    with Following() as following:
        run.work(following)
    rows = list(run.rows())
    out.print(table(rows, dictionary.store.manifest.n_tokens))
    for verdict in job.verdicts(run, job.KEYS):
        out.print(sentence(verdict), highlight=False, soft_wrap=True)
    won = ", ".join(f"{n} by {explainer}" for explainer, n in sorted(job.winners(rows).items(), key=lambda x: -x[1]))
    out.print(f"labels won: {won}", highlight=False, soft_wrap=True)
    out.print()
    after(run, rows, job.KEYS[-1])
    _end(rows)


def _end(rows: Sequence[dict[str, Any]]) -> None:
    if any(row["state"] == "failed" for row in rows):
        raise typer.Exit(1)


def recorded_table(rows: Sequence[dict[str, Any]], dictionary: Dictionary) -> Table:
    """Index, label, where the feature fires, the headline with interval and null percentile, the free scores beside it."""
    n_tokens = dictionary.store.manifest.n_tokens
    made = Table(
        title=f"{len(rows)} features of SmolLM2-135M, layer 14: named by a chat model, scored on text it was not shown",
        caption=f"'simulated': the correlation of activations that a model predicts from the label alone with the true ones, "
        f"over {n_tokens:,} tokens, with a 95 % interval ('~' where it is wider than ±.15); 'null': the share of other "
        "features' labels that do worse; 'encoder' and 'words': the same by simulators that ask nobody.",
        box=box.SIMPLE_HEAD,
        title_style="bold",
    )
    made.add_column("feature", justify="right", no_wrap=True)
    made.add_column("label", min_width=24, max_width=44)
    made.add_column("one of the contexts in which it fires", no_wrap=True, max_width=46)
    made.add_column("simulated", no_wrap=True)
    made.add_column("null", justify="right", no_wrap=True)
    made.add_column("encoder", justify="right", no_wrap=True)
    made.add_column("words", justify="right", no_wrap=True)
    for row in rows:
        label = Text(clean(row["label"])) if row["label"] else Text(row["state"], style="yellow")
        headline, encoder, words = (row["scores"].get(f"simulation.{m}") for m in ("sparse", "embedding", "lexical"))
        percentile = headline["null_percentile"] if headline else None
        made.add_row(
            str(row["index"]),
            label,
            fires_in(dictionary.evidence(row["index"])),
            score_text(headline),
            Text("–" if percentile is None else f"{percentile:.0f}%"),
            _number(encoder),
            _number(words),
        )
    return made


def _number(score: dict[str, Any] | None) -> Text:
    return Text("–", style="dim") if not score or score["value"] is None else Text(f"{score['value']:.2f}")


def fires_in(evidence: Evidence, before: int = 26, behind: int = 16) -> Text:
    """What stands around the strongest token of the strongest context of ``score``, which no explainer was shown."""
    contexts = evidence.of("score") or evidence.contexts
    if not contexts:
        return Text("–", style="dim")
    context = contexts[0]
    peak = int(context.activations.argmax())
    left = clean("".join(context.tokens[:peak]))[-before:]
    right = clean("".join(context.tokens[peak + 1 :]))[:behind]
    return Text.assemble((left, "dim"), (clean(context.tokens[peak]), "bold black on yellow"), (right, "dim"))


def told(bill: Any, unanswered: Sequence[int]) -> list[str]:
    """Whose answers these were, what they would cost, and where something else was asked here than then: lines."""
    from labeler.recorded_demo import ANSWERED_BY, RECORDED_ON

    model = ANSWERED_BY.partition(":")[2].capitalize()
    price = ", ".join(f"{dollars(usd)} at {name}" for name, usd in bill.usd.items())
    lines = [
        f"The chat model's answers are recorded: {model} answered these very prompts on {RECORDED_ON}, blind. Everything "
        "else (drawing, queue, simulation, scores, nulls) was done here, now.",
        f"Asked live, the same {counted(bill.calls, 'call')} ({bill.input_tokens:,} tokens in, {bill.output_tokens:,} out) "
        f"would cost about {price or 'an unknown sum'}.",
    ]
    if unanswered:
        lines.append(
            f"Of {counted(len(unanswered), 'feature')} something else was asked on this machine than was recorded, and so "
            f"not answered: {', '.join(map(str, unanswered))}."
        )
    return lines


def table(rows: list[dict[str, Any]], n_tokens: int) -> Table:
    """Index, label, both scores with intervals, null percentile, and which explainer won."""
    from labeler.demo import KEYS

    made = Table(
        title=f"{len(rows)} features of SmolLM2-135M, layer 14, labelled and scored on text their explainers never saw",
        caption=f"Scores are correlations with the true activations over {n_tokens:,} tokens, with 95 % intervals; "
        "'~' where one is wider than ±.15; 'null' is the share of other features' labels that do worse.",
        box=box.SIMPLE_HEAD,
        title_style="bold",
    )
    made.add_column("feature", justify="right", no_wrap=True)
    made.add_column("label", min_width=12, max_width=48)
    for key in KEYS:
        made.add_column(key.removeprefix("simulation."), no_wrap=True)
        made.add_column("null", justify="right", no_wrap=True)
    made.add_column("won by", no_wrap=True)
    for row in rows:
        cells: list[Text] = []
        for key in KEYS:
            score = row["scores"].get(key)
            percentile = score["null_percentile"] if score else None
            cells += [score_text(score), Text("–" if percentile is None else f"{percentile:.0f}%")]
        label = Text(clean(row["label"])) if row["label"] else Text(row["state"], style="yellow")
        made.add_row(str(row["index"]), label, *cells, (row["explainer"] or "–").partition(":")[0])
    return made


def sentence(verdict: Verdict) -> str:
    """What the null says of all labels together."""
    d = verdict.difference
    name = verdict.key.removeprefix("simulation.")
    return (
        f"{name:<11} a label scores {d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}] above the mean of other features' labels "
        f"({d.n} features)"
    )


def after(run: Run, rows: Sequence[dict[str, Any]], key: str) -> None:
    """Where the catalogue is, what to try next, and what a key would buy."""
    from labeler.settings import settings

    chosen = settings()
    where = str(chosen.home / "labeler.db") if chosen.database_url is None else "the database of LABELER_DATABASE_URL"
    best = max(rows, key=lambda row: (row["scores"].get(key) or {}).get("value") or -1.0)
    lines = [f"The catalogue is in {where} (run {run.id}). Try next:"]
    lines.append(f"  labeler show {run.dictionary} {best['index']}")
    lines.append(f"  labeler export {run.dictionary} --format csv --out labels.csv")
    lines.append(f"  labeler label {run.dictionary} --explainer lexical --simulator embedding")
    for secret, name in (
        (chosen.anthropic_api_key, "anthropic:claude-haiku-5-5"),
        (chosen.openai_api_key, "openai:gpt-5-nano"),
    ):
        if secret is not None:
            first = ",".join(str(row["index"]) for row in rows[:10])
            lines.append(
                f"A key is set. With it (this spends money):\n  labeler label {run.dictionary} --features {first} "
                f"--explainer {name} --simulator {name}"
            )
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
