"""``python -m eval.bench sequential``: what it saves to look at a score in nested blocks, and what it costs in coverage."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from eval.results import load, save
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.demo import collect_sample
from labeler.evidence.store.store import EvidenceStore, Material
from labeler.explainers.lexical import LexicalExplainer
from labeler.features import FloatArray
from labeler.models.names import SMOLLM2, resolve
from labeler.pipeline.bench import background
from labeler.pipeline.config import RunConfig, spread_by_density
from labeler.pipeline.scoring import Sample, estimate, point, sampling, score, whole
from labeler.prompts import load_prompt
from labeler.simulators import Simulator
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator
from labeler.simulators.sparse import CONTEXTS_A_CALL, question

FEATURES = 24
DRAWS = 8
CONTEXTS = 80

Row = dict[str, Any]


class Counted:
    """A simulator that costs nothing put as a paid one, with the tokens that `sparse` would have been asked in."""

    free = False
    source = "known"
    prompt: str | None = None

    def __init__(self, simulator: Simulator) -> None:
        from transformers import AutoTokenizer

        self.name = simulator.name
        self.counts: Counter[str] = Counter()
        self.tokens = 0
        self._simulator = simulator
        self._tokenizer = AutoTokenizer.from_pretrained(resolve(SMOLLM2))

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol."""
        prompt, contexts = load_prompt("sparse"), material.tokens()
        for text in texts:
            for start in range(0, len(contexts), CONTEXTS_A_CALL):
                request = question(prompt, text, contexts[start : start + CONTEXTS_A_CALL])
                self.tokens += len(self._tokenizer(request.system + request.prompt).input_ids)
        return await self._simulator.predict(texts, material)


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Contexts, prompt tokens and coverage of scores in blocks and at a fixed size, with known predictions."""
    with collecting() as progress:
        store = collect_sample(progress=progress).store
        rows: list[Row] = []
        for done, index in enumerate(spread_by_density(store, FEATURES), 1):
            rows += asyncio.run(compare(store, index))
            progress("scoring in blocks", done, FEATURES, "features")
    figures = summary(rows)
    table = Table(title=f"{FEATURES} features, {DRAWS} draws each, at most {CONTEXTS} contexts", box=box.SIMPLE_HEAD)
    for column in figures[0]:
        table.add_column(column.replace("_", " "))
    for row in figures:
        table.add_row(*(f"{value:,.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    out.print(table)
    out.print(told(figures), highlight=False)
    if save_figures:
        out.print(f"saved in {save('sequential', {'rows': figures})}", highlight=False)


async def compare(store: EvidenceStore, index: int) -> list[Row]:
    """One feature's label scored both ways, for either simulator that costs nothing."""
    candidates = await LexicalExplainer().explain(store.evidence(index), background(store), 0)
    text = candidates[0].text or "words"
    everything, on_select = whole(store, index, "score"), whole(store, index, "select")
    rows: list[Row] = []
    for simulator in (EmbeddingSimulator(), LexicalSimulator()):
        prediction = (await simulator.predict([text], everything.material))[0]
        true = point(everything, prediction)
        if true is None:
            continue
        place = {int(row): at for at, row in enumerate(everything.frame.contexts)}
        for seed in range(DRAWS):
            config = RunConfig(
                dictionary=store.manifest.name, explainers=("lexical",), simulators=("embedding",), seed=seed
            )
            blocks = Counted(simulator)
            sampled, _, records = await score(blocks, text, index, everything, on_select, config)
            rows.append(_row("in blocks", true, records[0].value, records[0].low, records[0].high, sampled, blocks))
            fixed = Counted(simulator)
            drawn = (await sampling(everything, index, text, config))(CONTEXTS)
            await fixed.predict([text], drawn.material)
            found = estimate(drawn, prediction[[place[int(row)] for row in drawn.frame.contexts]], config)
            rows.append(_row("fixed", true, found.value, found.low, found.high, drawn, fixed))
    return rows


def _row(
    design: str,
    true: float,
    value: float | None,
    low: float | None,
    high: float | None,
    sampled: Sample,
    simulator: Counted,
) -> Row:
    return {
        "simulator": simulator.name,
        "design": design,
        "covered": low is not None and high is not None and low <= true <= high,
        "error": abs((value or 0.0) - true),
        "contexts": len(sampled.frame),
        "prompt_tokens": simulator.tokens,
    }


def summary(rows: Sequence[Row]) -> list[Row]:
    """Means by simulator and design."""
    found = []
    for simulator in dict.fromkeys(row["simulator"] for row in rows):
        for design in ("fixed", "in blocks"):
            mine = [row for row in rows if row["simulator"] == simulator and row["design"] == design]
            means = {
                name: round(float(np.mean([row[name] for row in mine])), 4)
                for name in ("covered", "error", "contexts", "prompt_tokens")
            }
            found.append({"simulator": simulator, "design": design, "scores": len(mine), **means})
    return found


def told(figures: Sequence[Row]) -> str:
    """What is saved, in a sentence."""
    parts = []
    for fixed, blocks in zip(figures[::2], figures[1::2], strict=True):
        saved = 1 - blocks["prompt_tokens"] / fixed["prompt_tokens"]
        parts.append(
            f"{saved:.0%} of the prompt tokens with `{fixed['simulator']}` as known truth "
            f"(coverage {blocks['covered']:.3f}, at a fixed size {fixed['covered']:.3f})"
        )
    return f"Looking in blocks saves {' and '.join(parts)}."


def readme_line() -> str:
    """The saved figures as the README tells them."""
    return told(load("sequential")["rows"])
