"""``python -m eval known-answers``: features whose truth is a rule, and how scorers rank labels of them.

Every rule fires where a pattern says so, on the sample corpus; it has a true label, a paraphrase, one that is too
narrow, one that is too broad, a neighbour's and a wrong one. A scorer is good if it ranks the true label above the
others and notices a half that is missing or too much (Oikarinen et al. 2025, arXiv 2506.05774).
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from eval.known.corpus import evidence, truth_of
from eval.known.meaning import Meaning
from eval.known.oracle import Oracle
from eval.known.ranking import TESTS, Pair, Verdict, pairs, questions, verdict
from eval.known.remembering import Remembering
from eval.known.rules import QUICK, RULES, Rule
from eval.known.scoring import Exam, Scores
from eval.results import load, save
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.evidence.store.store import EvidenceStore
from labeler.models.names import SMOLLM2
from labeler.pipeline.bench import Backends, unkept
from labeler.pipeline.scoring import Sample
from labeler.progress import Progress
from labeler.settings import settings
from labeler.simulators import Simulator, open_simulator, parse_simulator

CONTEXTS = 8_000
"""Contexts of the corpus: 256,000 tokens."""
QUICK_CONTEXTS = 2_000
DRAWN = 16
"""Contexts that a simulator which is not free predicts for each truth."""

SLOW = ("logprob",)
"""Simulators that are asked only about the rules of ``--quick``: several tokens for one of a context."""

FREE = ("embedding", "lexical")
SIMULATORS = (*FREE, *(f"{method}=local:{SMOLLM2}" for method in ("likelihood", "sum", "logprob")))


def main(
    simulators: Annotated[
        list[str] | None,
        typer.Option("--simulator", help="embedding, lexical, METHOD=LLM or an LLM; several may be given."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few of the rules, on less text, in a minute.")] = False,
    contexts: Annotated[int, typer.Option(help="Contexts that are drawn where a simulator costs something.")] = DRAWN,
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """How often each scorer ranks a true label above worse ones, on features whose truth is a rule."""
    wanted = [parse_simulator(name) for name in simulators or (FREE if quick else SIMULATORS)]
    backends = Backends(settings())
    remembering = functools.cache(lambda name: Remembering(backends(name)))
    opened = [open_simulator(method, remembering, unkept) for method in wanted]
    with collecting() as progress:
        figures = asyncio.run(_measure(opened, backends, quick, contexts, progress))
    _print(figures)
    if save_figures:
        name = "known_answers_quick" if quick else "known_answers"
        out.print(f"saved in {save(name, figures)}", highlight=False)


async def _measure(
    simulators: Sequence[Simulator], backends: Backends, quick: bool, drawn: int, progress: Progress
) -> dict[str, Any]:
    rules = QUICK if quick else RULES
    name = "known-answers-quick" if quick else "known-answers"
    folder = settings().home / "dictionaries" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    store = evidence(folder, [rule.true for rule in rules], QUICK_CONTEXTS if quick else CONTEXTS, progress)
    sittings: dict[tuple[Rule, ...], Sitting] = {}
    found: dict[str, Any] = {}
    for simulator in [None, *simulators]:
        asked = QUICK if simulator is not None and simulator.name in SLOW else rules
        if asked not in sittings:
            sittings[asked] = Sitting(asked, store)
        sitting = sittings[asked]
        judge = simulator or sitting.oracle
        began = time.monotonic()
        if judge.free:
            scored, failed = await sitting.exam.scores_on_everything(judge, progress), 0
        else:
            scored, failed = await sitting.exam.scores_on(await sitting.draws(drawn), judge, progress)
        name = judge.name if judge.name not in found else f"{judge.name}={judge.source}"
        found[name] = {
            **_figures(verdict(scored, asked, sitting.paired)),
            "source": judge.source,
            "rules": len(asked),
            "contexts": len(store.rows) if judge.free else drawn,
            "failed": failed,
            "seconds": round(time.monotonic() - began),
            "scores": _by_truth(scored),
        }
    await backends.close()
    return {"rules": len(rules), "corpus_contexts": len(store.rows), "simulators": found}


class Sitting:
    """Some rules with their pairs, their oracle, and what is drawn for simulators that are not free."""

    def __init__(self, rules: Sequence[Rule], store: EvidenceStore) -> None:
        self.paired = paired_by_mass(rules, store)
        self.oracle = Oracle(rules, self.paired)
        self.exam = Exam(store, questions(rules, self.paired))
        self._draws: dict[Meaning, Sample] = {}

    async def draws(self, n_contexts: int) -> dict[Meaning, Sample]:
        """The contexts of every truth, drawn once."""
        self._draws = self._draws or await self.exam.draws(n_contexts, self.oracle)
        return self._draws


def paired_by_mass(rules: Sequence[Rule], store: EvidenceStore) -> list[Pair]:
    """The rules in pairs of like mass on this corpus."""
    rows = np.arange(len(store.rows))
    return pairs(rules, {rule.name: float(np.square(truth_of(rule.true, store, rows)).sum()) for rule in rules})


def _by_truth(scored: Scores) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for (truth, label), value in scored.items():
        found.setdefault(truth, {})[label] = None if value is None else round(value, 4)
    return found


def _figures(judged: Verdict) -> dict[str, Any]:
    return {
        "passed": {test: round(judged.share(test), 4) for test in TESTS},
        "auc": round(judged.auc, 4),
        "means": {kind: asdict(mean) for kind, mean in judged.means.items()},
        "failing": {test: [name for name, right in judged.passed[test].items() if not right] for test in TESTS},
    }


def _print(figures: dict[str, Any]) -> None:
    table = Table(title=f"{figures['rules']} rules, {figures['corpus_contexts']:,} contexts", box=box.SIMPLE_HEAD)
    table.add_column("how often is ranked right")
    for name in figures["simulators"]:
        table.add_column(name, justify="right")
    for test, cells in _lines(figures):
        table.add_row(test, *cells)
    out.print(table)
    for name, found in figures["simulators"].items():
        for test, rules in found["failing"].items():
            if rules:
                out.print(f"{name}, {test}, failing: {', '.join(rules)}", highlight=False)
        if found["failed"]:
            out.print(f"{name}: {found['failed']} labels could not be scored, and count as 0", highlight=False)


def _lines(figures: dict[str, Any]) -> list[tuple[str, list[str]]]:
    by_name = figures["simulators"].values()
    lines = [(test, [f"{found['passed'][test]:.0%}" for found in by_name]) for test in TESTS]
    lines.append(("AUC, true against shuffled", [f"{found['auc']:.3f}" for found in by_name]))
    lines += [
        (f"mean score, {kind}", [f"{found['means'][kind]['mean']:+.3f}" for found in by_name])
        for kind in next(iter(by_name))["means"]
    ]
    lines.append(("rules", [str(found["rules"]) for found in by_name]))
    lines.append(("seconds", [str(found["seconds"]) for found in by_name]))
    return lines


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown."""
    saved = load("known_answers")
    names = list(saved["simulators"])
    lines = ["| | " + " | ".join(f"`{name}`" for name in names) + " |", "|---|" + "---|" * len(names)]
    lines += [f"| {test} | " + " | ".join(cells) + " |" for test, cells in _lines(saved)]
    told = f"{saved['rules']} rules on {saved['corpus_contexts']:,} contexts. Taken on {saved['machine']}."
    return "\n".join([*lines, "", told])
