"""The demo: the main job on shipped evidence, with a strong chat model's recorded answers to the very prompts it makes."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from labeler import api
from labeler.data import shipped
from labeler.demo import verdicts
from labeler.errors import InputError
from labeler.evidence.finishing import replace
from labeler.evidence.manifest import Manifest
from labeler.evidence.place import alone
from labeler.evidence.store import EvidenceStore
from labeler.llm.protocol import Usage
from labeler.llm.recorded import NOT_RECORDED
from labeler.runs.bench import Backends
from labeler.settings import settings

__all__ = ["bill", "demo_dictionary", "label_demo", "unanswered", "verdicts"]

NAME = "demo"
ANSWERED_BY = "recorded:claude"
RECORDED_ON = "2026-11-28"
SIMULATORS = (ANSWERED_BY, "embedding", "lexical")
KEYS = ("simulation.sparse", "simulation.embedding", "simulation.lexical")
CONTEXTS = 40
"""Contexts that the chat model predicts for a feature: one call's worth."""
FOREIGN = 1
"""Foreign labels that it is tried with for the null, a feature."""

PRICED_AS = ("anthropic:claude-haiku-5-5", "openai:gpt-5-nano")
"""Whose prices are told for the same calls, and who is asked with a key of Anthropic's and of OpenAI's."""


def demo_dictionary(home: Path | None = None) -> api.Dictionary:
    """The shipped evidence as a dictionary of the home, put there unless it is there already.

    InputError where the name stands for other evidence.
    """
    chosen = settings() if home is None else settings().model_copy(update={"home": home})
    shelf = api.writable_shelf(chosen)
    source, target = shipped("demo"), shelf / NAME
    with alone(shelf, NAME):
        if target.exists():
            there = EvidenceStore(target).manifest
            if not _is_demo(there):
                raise InputError(
                    f"'{NAME}' is another dictionary's name in '{shelf}'; set LABELER_HOME to a new folder for the demo"
                )
        if not target.exists() or there.fingerprint != EvidenceStore(source).manifest.fingerprint:
            scratch = shelf / f".copying-{NAME}"
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(source, scratch, ignore=shutil.ignore_patterns("*.md", "__pycache__"))
            replace(scratch, target)
    return api.open(NAME, home=home)


def _is_demo(manifest: Manifest) -> bool:
    ours = EvidenceStore(shipped("demo")).manifest
    return (manifest.model, manifest.hook, manifest.dictionary) == (ours.model, ours.hook, ours.dictionary)


def label_demo(dictionary: api.Dictionary) -> api.Run:
    """A run over all of its features: the one that is there already, or a new one."""
    for run in dictionary.runs():
        stored = run.record.config["labelling"]
        same = (tuple(stored["explainers"]), tuple(stored["simulators"]), stored["contexts"], stored["foreign"])
        fresh = run.record.config["evidence"] == dictionary.store.manifest.fingerprint
        if fresh and same == ((ANSWERED_BY,), SIMULATORS, CONTEXTS, FOREIGN):
            if run.record.state in ("cancelled", "paused"):
                run.resume()
            return run
    return dictionary.label(explainers=[ANSWERED_BY], simulators=SIMULATORS, contexts=CONTEXTS, foreign=FOREIGN)


@dataclass(frozen=True)
class Bill:
    """What the recorded answers took, and what they would cost at a provider today."""

    input_tokens: int
    output_tokens: int
    usd: dict[str, float]
    """By model, those whose price is known."""


def bill(run: api.Run) -> Bill:
    """The bill of a run that was answered from the recording."""
    progress = run.progress()
    usage = Usage(input_tokens=progress.input_tokens, output_tokens=progress.output_tokens)
    backends = Backends(settings())
    prices = {name: backends.price(name, usage) for name in PRICED_AS}
    asyncio.run(backends.close())
    usd = {name: price for name, price in prices.items() if price is not None}
    return Bill(progress.input_tokens, progress.output_tokens, usd)


def unanswered(run: api.Run) -> list[int]:
    """The features about which something else was asked on this machine than was recorded."""
    found = []
    for row in run.rows():
        null = (row["controls"] or {}).get("null") or {}
        said = [row["reason"] or "", null.get("failed") or "", *(s["reason"] or "" for s in row["scores"].values())]
        if any(NOT_RECORDED in one for one in said):
            found.append(row["index"])
    return found
