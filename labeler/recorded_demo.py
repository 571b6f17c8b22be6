"""The demo: the main job on shipped evidence, with a strong chat model's recorded answers to the very prompts it makes."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from labeler import api
from labeler.data import shipped
from labeler.demo import verdicts
from labeler.errors import InputError
from labeler.evidence.collect.publish import recover, replace
from labeler.evidence.store.manifest import Manifest, sha256_of
from labeler.evidence.store.storage import MANIFEST, alone
from labeler.evidence.store.store import EvidenceStore
from labeler.llm.protocol import Usage
from labeler.llm.providers.offline import NOT_RECORDED
from labeler.pipeline.bench import Backends
from labeler.settings import settings

__all__ = ["bill", "demo_dictionary", "label_demo", "unanswered", "verdicts"]

log = logging.getLogger(__name__)

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
    """The shipped evidence as a dictionary of the home, put there unless it is there already, whole and of this version.

    InputError where the name stands for other evidence.
    """
    chosen = settings() if home is None else settings().model_copy(update={"home": home})
    shelf = api.writable_shelf(chosen)
    source, target = shipped("demo"), shelf / NAME
    ours = EvidenceStore(source).manifest
    with alone(shelf, NAME):
        recover(target)
        if not target.exists() or _to_be_renewed(target, ours):
            scratch = shelf / f".copying-{NAME}"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            for name in (MANIFEST, *ours.files):  # their bytes alone: what is shipped may be read-only, and of long ago
                shutil.copyfile(source / name, scratch / name)
            if damage := EvidenceStore(scratch).health(verify=True):
                raise InputError(f"the demo of this installation is damaged; install labeler again ({damage})")
            replace(scratch, target)
    return api.open(NAME, home=home)


def _to_be_renewed(target: Path, ours: Manifest) -> bool:
    """Whether what is there is the demo's, and not as it should be; InputError where it is another's."""
    try:
        store = EvidenceStore(target)
        its = store.manifest
        is_ours = (its.model, its.hook, its.dictionary) == (ours.model, ours.hook, ours.dictionary)
        damage = store.health(verify=True)
    except InputError as error:  # nobody can tell by the manifest: any file that is still whole can
        there = {name: target / name for name in ours.files if (target / name).is_file()}
        is_ours = any(sha256_of(path) == ours.files[name].sha256 for name, path in there.items())
        its, damage = None, str(error)
    if not is_ours:
        raise InputError(
            f"'{NAME}' is another dictionary's name in '{target.parent}'; set LABELER_HOME to a new folder for the demo"
        )
    if damage:
        log.warning("renewing the demo's evidence: %s", damage)
    return damage is not None or its is None or its.fingerprint != ours.fingerprint


def label_demo(dictionary: api.Dictionary) -> api.Run:
    """A run over all of its features: the one that is there already, its failures to be tried again, or a new one."""
    for run in dictionary.runs():
        stored = run.record.config["labelling"]
        same = (tuple(stored["explainers"]), tuple(stored["simulators"]), stored["contexts"], stored["foreign"])
        fresh = run.record.config["evidence"] == dictionary.store.manifest.fingerprint
        if fresh and same == ((ANSWERED_BY,), SIMULATORS, CONTEXTS, FOREIGN):
            if run.record.state in ("cancelled", "paused"):
                run.resume()
            run.retry()
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
    api.asyncio_run(backends.close())
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
