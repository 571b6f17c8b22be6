"""Requests and answers as files, in the form of OpenAI's batches, which other servers' batch runners read as well."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labeler.catalogue.records import RunRecord
from labeler.catalogue.repository import Catalogue
from labeler.errors import InputError
from labeler.llm.error_bodies import is_too_long
from labeler.llm.protocol import Reply
from labeler.llm.providers.chat_completions import request_line
from labeler.llm.providers.offline import read_line
from labeler.pipeline.config import RunConfig
from labeler.progress import tell

LINES = 50_000
"""Requests a file; OpenAI takes no more."""

GROUP = 500
"""Answers that are stored at once."""

NAMED = 20
"""How many bad lines are named one by one; the others are counted."""

LONGEST = 4 * 2**20
"""Characters of a line; a longer one is no answer to any of our requests."""


@dataclass(kw_only=True)
class Taken:
    """What came of a folder of answers."""

    answers: int = 0
    """Those that were taken."""
    missing: int = 0
    """Requests of the run that still have none."""
    faults: Counter[str] = field(default_factory=Counter)
    """Lines that were not used, by what is wrong with them: ``unknown``, ``doubled``, ``malformed``, ``failed``."""
    named: list[str] = field(default_factory=list)
    """The first of them, and of the requests that are missing, each in a line."""

    def fault(self, kind: str, where: str, what: str) -> None:
        """One more line that is not used."""
        self.faults[kind] += 1
        if len(self.named) < NAMED:
            self.named.append(f"{where}: {kind}: {what}")


def export_requests(catalogue: Catalogue, run: RunRecord, folder: Path) -> list[Path]:
    """Write a run's pending requests, at most LINES a file and one model a file, and return the files.

    Files of an earlier export of the run are replaced. Raises InputError where nothing waits, or the run asks by itself.
    """
    if RunConfig.of(run.config).mode != "offline":
        raise InputError(
            f"run {run.id} asks its models by itself; begin one with `mode='offline'` to have its requests as files"
        )
    folder.mkdir(parents=True, exist_ok=True)
    stale = set(folder.glob(f"{run.id}-requests-*.jsonl"))
    files: list[Path] = []
    for number, (backend, lines) in enumerate(_shards(catalogue, run), start=1):
        path = folder / f"{run.id}-requests-{number:03d}-{_in_a_name(backend)}.jsonl"
        part = path.with_suffix(".part")
        part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        os.replace(part, path)
        files.append(path)
    if not files:
        raise InputError(f"run {run.id} waits for no answers; it is {run.state}")
    for path in stale - set(files):
        path.unlink()
    return files


def import_answers(
    catalogue: Catalogue,
    run: RunRecord,
    folder: Path,
    heard: Callable[[str, Reply], None] = lambda backend, reply: None,
) -> Taken:
    """Store the answers to a run's requests that stand in a folder's ``.jsonl`` files.

    ``heard`` is told of each, with the model that was asked. A line that is no answer, answers nothing that was asked, or
    comes again is named, and the others are used; what was too long is asked for in smaller parts. Raises
    InputError where there is no such folder, or no file in it that holds answers.
    """
    if not folder.is_dir():
        raise InputError(f"no folder '{folder}' with answers; give the one that the batch runner wrote to")
    files = [path for path in sorted(folder.glob("*.jsonl")) if not path.name.startswith(f"{run.id}-requests-")]
    if not files:
        raise InputError(f"no .jsonl file with answers in '{folder}'; put the batch runner's output there")
    pending = {one.key: one for one in catalogue.requests(run.id)}
    taken, seen, group = Taken(), set[str](), list[tuple[str, Reply]]()
    tell("taking answers", 0, len(pending), "answers")
    for path in files:
        for where, line in _lines(path):
            try:
                key, reply, reason = read_line(line)
            except ValueError as error:
                taken.fault("malformed", where, str(error))
                continue
            if key in seen:
                taken.fault("doubled", where, f"'{key[:64]}' was answered before")
            elif key not in pending:
                answered = catalogue.answers([key]) if len(key) == 64 else {}
                if not answered:
                    taken.fault("unknown", where, f"no request of the run is '{key[:64]}'")
            elif reply is None and reason is not None and is_too_long(reason):  # it is asked for in smaller ones
                seen.add(key)
                taken.fault("failed", where, reason)
                taken.answers -= 1
                group.append((key, Reply(stop="rejected", said=reason)))
            elif reply is None:
                taken.fault("failed", where, reason or "no reason was given")
            else:
                seen.add(key)
                heard(pending[key].backend, reply)
                group.append((key, reply))
            if len(group) >= GROUP:
                taken.answers += catalogue.put_answers(run.id, group)
                group = []
                tell("taking answers", len(seen), len(pending), "answers")
    taken.answers += catalogue.put_answers(run.id, group)
    missing = [one for key, one in pending.items() if key not in seen]
    taken.missing = len(missing)
    for one in missing[: max(0, NAMED - len(taken.named))]:
        taken.named.append(f"missing: no answer to '{one.key}', about feature {one.index}")
    return taken


def _shards(catalogue: Catalogue, run: RunRecord) -> Iterator[tuple[str, list[str]]]:
    """The lines of each file, with the model that they ask."""
    shards: dict[str, list[str]] = {}
    for number, one in enumerate(catalogue.requests(run.id), start=1):
        lines = shards.setdefault(one.backend, [])
        lines.append(json.dumps(request_line(one.key, one.body), ensure_ascii=False))
        if number % GROUP == 0:
            tell("writing requests", number, None, "requests")
        if len(lines) == LINES:
            yield one.backend, shards.pop(one.backend)
    yield from shards.items()


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        number = 0
        while line := file.readline(LONGEST):
            number += 1
            if line.strip():
                yield f"{path.name}:{number}", line


def _in_a_name(backend: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", backend).strip("-.")[:60]
