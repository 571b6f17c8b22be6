"""Delphi's own code, run by its own python, for tests and benches of this one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labeler.evidence.importers.delphi import DelphiCache

ROOT = Path(__file__).parents[3]
PYTHON = os.environ.get("LABELER_REFERENCE_DELPHI", "")
"""The python of an environment that holds eai-delphi; empty where there is none."""

Listed = dict[int, list[tuple[list[int], float]]]
"""For each feature its top windows, strongest first: token ids and the largest activation."""


def write_cache(python: str, model: Path, dictionary: Path, tokens: Path, hook: str, out: Path, *more: str) -> Any:
    """Have Delphi cache ``tokens`` (a .npy) into ``out/latents/{hook}``; returns the figures of the bench."""
    script = ROOT / "eval" / "bench" / "delphi_peer.py"
    return _run(python, script, model, dictionary, tokens, hook, out, *more)


def listed_by_delphi(python: str, cache: DelphiCache, features: Sequence[int], n: int, context: int = 32) -> Listed:
    """The n top windows of each feature as Delphi lists them from its own cache; features without one are left out.

    Windows are ``context`` tokens (Delphi's default: 32) at multiples of it within a row; ties come in any order.
    """
    script = Path(__file__).with_name("list_contexts.py")
    latents = cache.folder.parents[cache.hook.count("/")]
    listed = _run(python, script, latents, cache.hook, n, context, *features)
    return {int(index): [(ids, top) for ids, top in windows] for index, windows in listed.items()}


def _run(python: str, script: Path, *arguments: object) -> Any:
    """The JSON that a script prints last."""
    done = subprocess.run(
        [python, str(script), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
