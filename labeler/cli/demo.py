"""``labeler demo``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from labeler.cli.display import Following, clean, collecting, err, out, score_text
from labeler.settings import settings

if TYPE_CHECKING:
    from labeler.api import Run
    from labeler.demo import Verdict


def demo() -> None:
    """The main job on the shipped sample: no key, no server. Interrupted and called again, it goes on."""
    from labeler import demo as job

    try:
        with collecting() as progress:
            dictionary = job.collect_sample(progress=progress)
        run = job.label_as_demo(dictionary, dictionary.spread(job.FEATURES))
        with Following() as following:
            last = run.work(following)
    except KeyboardInterrupt:
        err.print("stopped; nothing is lost. To go on: labeler demo")
        raise
    rows = list(run.rows())
    out.print(table(rows, dictionary.store.manifest.n_tokens))
    for verdict in job.verdicts(run):
        out.print(sentence(verdict), highlight=False, soft_wrap=True)
    won = ", ".join(f"{n} by {explainer}" for explainer, n in sorted(job.winners(rows).items(), key=lambda x: -x[1]))
    out.print(f"labels won: {won}", highlight=False, soft_wrap=True)
    out.print()
    after(run, rows)
    if last.failed:
        raise typer.Exit(1)


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


def after(run: Run, rows: list[dict[str, Any]]) -> None:
    """Where the catalogue is, what to try next, and what a key would buy."""
    chosen = settings()
    where = str(chosen.home / "labeler.db") if chosen.database_url is None else "the database of LABELER_DATABASE_URL"
    best = max(rows, key=lambda row: (row["scores"].get("simulation.embedding") or {}).get("value") or -1.0)
    lines = [f"The catalogue is in {where} (run {run.id}). Try next:"]
    lines.append(f"  labeler show {run.dictionary} {best['index']}")
    lines.append(f"  labeler export {run.dictionary} --format csv --out labels.csv")
    lines.append(f"  labeler label {run.dictionary} --features 0-99 --explainer lexical --simulator embedding")
    for key, name in (
        (chosen.anthropic_api_key, "anthropic:claude-haiku-5-5"),
        (chosen.openai_api_key, "openai:gpt-5-nano"),
    ):
        if key is not None:
            lines.append(
                f"A key is set. With it (this spends money):\n  labeler label {run.dictionary} --features 0-9 "
                f"--explainer {name} --simulator {name}"
            )
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
