"""``python -m eval.bench tokens``: what explaining a feature and simulating its label take in tokens, asked and answered.

The prompts are those that would be sent. The answers are made by rules, as long as true ones are: a label of 12 words
with a description of 25, and every word on which the feature is active quoted with its strength.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from eval.results import load, save
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.demo import collect_sample
from labeler.evidence.near_misses import evidence_with_near_misses
from labeler.evidence.sampling import looks
from labeler.evidence.store.store import EvidenceStore
from labeler.explainers.lexical import LexicalExplainer
from labeler.explainers.llm import LlmExplainer, strengths
from labeler.features import Context, FloatArray
from labeler.fence import one_line
from labeler.llm.calls import NullAccount
from labeler.llm.errors import RejectedError
from labeler.llm.protocol import Address, Capabilities, Reply, Request, TextLogprobs, Usage
from labeler.models.names import SMOLLM2, resolve
from labeler.pipeline.bench import background
from labeler.pipeline.config import RunConfig, spread_by_density
from labeler.pipeline.scoring import Sample, point, sampling, whole
from labeler.simulators.quotes import Guesses, place_of
from labeler.simulators.sparse import SparseSimulator
from labeler.words import words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FEATURES = 100
CONTEXTS = 80
BARELY = 1
"""What a model is told to leave out, of 10."""
ABOUT = 2
"""By how much neighbours that are quoted together may differ, of 10."""
LABEL_WORDS, DESCRIPTION_WORDS = 12, 25

Row = dict[str, Any]


@dataclass
class Rehearsed:
    """A backend that knows the answers, and counts what it is asked and what it answers."""

    tokenizer: PreTrainedTokenizerBase
    label: Mapping[str, object]
    quotes: Mapping[str, Sequence[str]]
    """What is active in each context, by the text that is shown."""
    asked: list[Row] = field(default_factory=list)
    name: str = "known:rules"
    address: Address = field(default=Address("known", "rules"))
    capabilities: Capabilities = field(default=Capabilities(schema=True))

    async def ask(self, request: Request) -> Reply:
        """See the protocol."""
        answer = self._guesses(request.prompt) if request.schema is Guesses else self.label
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        static, varying, answered = (
            len(self.tokenizer(part).input_ids) for part in (request.system, request.prompt, text)
        )
        self.asked.append({"static": static, "prompt": static + varying, "answer": answered})
        return Reply(text=text)

    def _guesses(self, prompt: str) -> dict[str, object]:
        shown = re.search(r"<contexts>\n(.*)\n</contexts>", prompt, re.DOTALL)
        assert shown is not None
        lines = [line.split("|", 1) for line in shown[1].split("\n")]
        found = {int(number): self.quotes[text.strip()] for number, text in lines}
        return {
            "active": [f"{number}: {' '.join(quotes)}" for number, quotes in found.items() if quotes],
            "silent": [number for number, quotes in found.items() if not quotes],
        }

    def bound(self, request: Request) -> Usage:
        """See the protocol."""
        return Usage()

    def body(self, request: Request) -> dict[str, Any]:
        """See the protocol."""
        return {"system": request.system, "prompt": request.prompt}

    def fits(self, request: Request) -> bool:
        """See the protocol."""
        return True

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """See the protocol."""
        raise RejectedError(f"{self.name} gives no log-probabilities")

    async def close(self) -> None:
        """See the protocol."""


def true_quotes(context: Context, maximum: float) -> list[str]:
    """What a model that knows the truth would quote: active words, as strong as the strongest of their tokens.

    Neighbours that are about as strong are quoted together, what is barely active is left out, as the prompt says.
    Active tokens that are no part of a word are quoted as they are shown.
    """
    text = one_line(context.text)
    joined: list[tuple[int, int, list[int]]] = []
    for begin, end, strength in active_parts(context, maximum):
        last = joined[-1] if joined else None
        if last and not text[last[1] : begin].strip() and abs(last[2][-1] - strength) <= ABOUT:
            joined[-1] = (last[0], end, [*last[2], strength])
        else:
            joined.append((begin, end, [strength]))
    entries = [(entry_of(begin, end, text), max(values)) for begin, end, values in joined]
    return [f"{entry}={strength}" for entry, strength in entries if entry]


def active_parts(context: Context, maximum: float) -> list[tuple[int, int, int]]:
    """Words, and tokens that are no part of any, that are not just barely active: begin, end and strength, in order."""
    values = strengths(context, maximum)
    shown = one_line(context.text)
    found = words(context.tokens)
    parts = [(word.start, word.end, max(values[at] for at in word.tokens)) for word in found]
    in_words = {at for word in found for at in word.tokens}
    ends = np.cumsum([len(token) for token in context.tokens]).tolist()
    parts += [
        (end - len(token), end, values[at])
        for at, (token, end) in enumerate(zip(context.tokens, ends, strict=True))
        if at not in in_words and shown[end - len(token) : end].strip(" ")
    ]
    return sorted(part for part in parts if part[2] > BARELY)


def entry_of(begin: int, end: int, text: str) -> str:
    """What quotes that part of a text, as ``word`` or ``word#2``; empty where nothing that is understood does."""
    quoted = text[begin:end].strip()
    start = text.find(quoted, begin)
    for at in range(1, text.count(quoted) + 1 if quoted else 1):
        entry = quoted if at == 1 else f"{quoted}#{at}"
        place = place_of(entry, text)
        if place is not None and place.begin == start:
            return entry
    return ""


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Tokens of explaining a feature and simulating its label, asked and answered."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(SMOLLM2))
    with collecting() as progress:
        store = collect_sample(progress=progress).store
        rows: list[Row] = []
        for done, index in enumerate(spread_by_density(store, FEATURES), 1):
            rows += asyncio.run(rehearse(store, index, tokenizer))
            progress("rehearsing", done, FEATURES, "features")
    figures = summary(rows)
    table = Table(title=f"{FEATURES} features, tokens of {SMOLLM2}", box=box.SIMPLE_HEAD)
    for column in figures[0]:
        table.add_column(column.replace("_", " "))
    for row in figures:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    out.print(table)
    if save_figures:
        path = save("tokens", {"features": FEATURES, "counter": SMOLLM2, "rows": figures})
        out.print(f"saved in {path}", highlight=False)


async def rehearse(store: EvidenceStore, index: int, tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """One feature explained and its label simulated: a row for the explainer and one for each look."""
    evidence = await asyncio.to_thread(evidence_with_near_misses, store, index)
    everything = whole(store, index, "score")
    config = RunConfig(dictionary=store.manifest.name, explainers=("lexical",), simulators=("embedding",))
    said = [one.label for one in await LexicalExplainer().explain(evidence, background(store), config.seed)]
    backend = Rehearsed(tokenizer, long_label(said), {})
    explanation = (await LlmExplainer(backend, lambda *_: NullAccount()).explain(evidence, {}, config.seed))[0]
    take = await sampling(everything, index, explanation.text, config)
    backend.quotes = quotes_of(take(CONTEXTS), evidence.statistics.max_activation)
    simulator = SparseSimulator(backend, lambda *_: NullAccount())
    rows = [{"what": "explained", "score": None, **totals(backend.asked)}]
    known: dict[int, FloatArray] = {}
    for n in looks(CONTEXTS):
        sampled = take(n)
        new = [row for row in sampled.frame.contexts.tolist() if row not in known]
        known.update(zip(new, (await simulator.predict([explanation.text], store.material(new)))[0], strict=True))
        score = point(sampled, np.stack([known[row] for row in sampled.frame.contexts.tolist()]))
        rows.append({"what": f"and simulated on {n} contexts", "score": score, **totals(backend.asked)})
    return rows


def long_label(said: Sequence[str]) -> dict[str, object]:
    """An explainer's answer of the greatest length that is asked for, out of what was said of the feature."""
    spoken = itertools.cycle(re.findall(r"\w+", " ".join(said)) or ["word"])
    label, description = (" ".join(itertools.islice(spoken, n)) for n in (LABEL_WORDS, DESCRIPTION_WORDS))
    return {"label": label, "description": description, "confidence": 0.8}


def quotes_of(sampled: Sample, maximum: float) -> dict[str, list[str]]:
    """What is active in the contexts of a sample, by the text that is shown."""
    found = {}
    for tokens, activations in zip(sampled.material.tokens(), sampled.frame.truth, strict=True):
        context = Context(id=0, document="", split="score", tokens=tokens, activations=activations[: len(tokens)])
        found[one_line(context.text).strip()] = true_quotes(context, maximum)
    return found


def totals(asked: Sequence[Row]) -> Row:
    """Calls and tokens of all that was asked so far."""
    return {"calls": len(asked), **{name: sum(call[name] for call in asked) for name in ("static", "prompt", "answer")}}


def summary(rows: Sequence[Row]) -> list[Row]:
    """Means and 95th percentiles over the features."""
    found = []
    for what in dict.fromkeys(row["what"] for row in rows):
        mine = [row for row in rows if row["what"] == what]
        row: Row = {"what": what, "calls": round(float(np.mean([one["calls"] for one in mine])), 2)}
        for name in ("static", "prompt", "answer"):
            values = [one[name] for one in mine]
            row[f"{name}_tokens"] = round(float(np.mean(values)))
            if name != "static":
                row[f"{name}_tokens_p95"] = round(float(np.percentile(values, 95)))
        scores = [one["score"] for one in mine if one["score"] is not None]
        row["score_of_true_quotes"] = round(float(np.mean(scores)), 3) if scores else None
        found.append(row)
    return found


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown."""
    saved = load("tokens")
    lines = [
        "| a feature | calls | prompt tokens (95th percentile) | of these static | answer tokens (95th percentile) |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['what']} | {row['calls']:g} | {row['prompt_tokens']:,} ({row['prompt_tokens_p95']:,}) "
        f"| {row['static_tokens']:,} | {row['answer_tokens']:,} ({row['answer_tokens_p95']:,}) |"
        for row in saved["rows"]
    ]
    score = saved["rows"][-1]["score_of_true_quotes"]
    told = (
        f"Means over {saved['features']} features spread by density, counted by the tokenizer of `{saved['counter']}`. "
        f"Answers are made by rules, as long as true ones; what they quote scores {score:.2f}."
    )
    return "\n".join([*lines, "", told])
