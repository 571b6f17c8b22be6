"""The toy rules' sentences as windows, enough of them that every split has some: what an import is labelled with."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.evidence import RULES, sentences
from tests.fakes.foreign.sample import Windows, save_rows


def toy_features(n: int = 400, with_silent: int = 40) -> dict[int, Windows]:
    """By index 10 · rule: the sentences in which the rule fires, and some in which it does not; the last never fires."""
    found: dict[int, Windows] = {}
    for at, rule in enumerate(RULES):
        firing, silent = [], []
        for words in sentences(n, seed=at):
            window = ([f" {word}" for word in words], rule(words))
            (firing if max(window[1]) > 0 else silent).append(window)
        found[10 * at] = [*firing, *silent[:with_silent]]
    return found


def save_toy_contexts(folder: Path, features: dict[int, Windows] | None = None) -> Path:
    """The least that a contexts.jsonl must have: no documents, no counts."""
    rows = [
        {"index": index, "contexts": [{"tokens": tokens, "activations": values} for tokens, values in windows]}
        for index, windows in (toy_features() if features is None else features).items()
    ]
    return save_rows(folder / "contexts.jsonl", rows)
