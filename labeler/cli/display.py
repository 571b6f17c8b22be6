"""What the commands have in common on a terminal: progress, numbers, text of others."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from labeler.progress import Progress as Report

if TYPE_CHECKING:
    from labeler.catalogue.records import Progress as RunProgress

# Without a terminal rich assumes 80 columns, too few for a table; a file can be as wide as it likes.
out = Console() if sys.stdout.isatty() else Console(width=int(os.environ.get("COLUMNS") or 120))
"""Where results go."""

err = Console(stderr=True)
"""Where progress goes, so that output can be piped."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text of others as a terminal may show it: no control characters, no change of direction, line ends as a sign."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\n", "⏎").replace("\t", " "))


def print_json(value: object) -> None:
    """A result for another program."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def score_text(score: Mapping[str, Any] | None) -> Text:
    """A score with its interval, or its state where there is no number."""
    if score is None:
        return Text("–", style="dim")
    if score["value"] is None:
        return Text(score["state"], style="dim")
    text = Text(f"{score['value']:.2f}", style="bold")
    if score["low"] is not None:
        text.append(f" [{score['low']:.2f} {score['high']:.2f}]", style="dim")
    if score["state"] == "imprecise":
        text.append(" ~", style="yellow")
    return text


def when(seconds: float | None) -> str:
    """A time in UTC, to the second."""
    return "–" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def dollars(usd: float | None) -> str:
    """An amount of money; small ones with the digits that they need."""
    return "unknown" if usd is None else f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def counted(n: int, what: str) -> str:
    """So many of something."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


@contextmanager
def collecting() -> Iterator[Report]:
    """A bar a stage, with what is done per second and the time left."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        tasks: dict[str, tuple[TaskID, float, int]] = {}

        def report(stage: str, done: int, total: int | None, unit: str = "") -> None:
            if stage not in tasks:
                # What an earlier call had done comes at once and must not count as speed.
                tasks[stage] = progress.add_task(stage, total=total, count="", rate=""), time.monotonic(), done
            task, started, first = tasks[stage]
            seconds = time.monotonic() - started
            speed = (done - first) / seconds if done > first and seconds > 0.5 else 0.0
            rate = f"{speed:,.{0 if speed > 10 else 1}f} {unit}/s" if speed else ""
            count = f"{min(done, total):,}/{total:,}" if total else f"{done:,}"
            progress.update(task, completed=done, total=total, count=count, rate=rate)
            in_words(stage, f"{stage}: {count} {unit} {rate}", whole=done == total)

        yield report


_told: dict[str, float] = {}


def in_words(what: str, line: str, whole: bool) -> None:
    """A line of progress where no terminal can show a bar: every ten seconds, and when it is done."""
    now = time.monotonic()
    if not err.is_terminal and (whole or now - _told.get(what, -60.0) > 10):
        _told[what] = now
        err.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)


class Following:
    """The live line of a run: features/s, spent, failed, time left."""

    def __init__(self, doing: str = "labelling") -> None:
        self._doing = f"{doing} features"
        self._progress = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TextColumn("{task.fields[left]}"),
            console=err,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._whole: set[str] = set()
        self._hinted = False

    def __enter__(self) -> Following:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def __call__(self, run: RunProgress) -> None:
        """Take a look's figures."""
        labelled = run.in_control + run.done
        facts = f"spent {dollars(run.usd)}  failed {run.failed}"
        if run.pending:
            facts += f"  {run.pending} answers to come"
        if run.unpriced_calls:
            facts += f"  {run.unpriced_calls} calls of unknown price"
        self._line(self._doing, labelled, run.total, facts)
        if labelled == run.total:
            self._line("comparing with nulls", run.done, run.total, facts)
        waited = time.monotonic() - self._began[self._doing][0]
        if not self._hinted and waited > 10 and not run.leased and not run.parked and run.total and labelled == 0:
            self._hinted = True
            err.print("no worker has taken up the run yet; start one with: labeler worker")

    def _line(self, name: str, done: int, total: int, facts: str) -> None:
        if name in self._whole:
            return
        now = time.monotonic()
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, facts="", left="")
            self._began[name] = now, done
        began, first = self._began[name]
        rate = (done - first) / (now - began) if now - began > 1 else 0.0
        left = f"{int((total - done) / rate) // 60}:{int((total - done) / rate) % 60:02d}" if rate else "-:--"
        speed = f"{rate:.2f} features/s  " if rate else ""
        self._progress.update(self._tasks[name], completed=done, facts=speed + facts, left=left)
        if done == total:
            self._whole.add(name)
        in_words(name, f"{name}: {done}/{total}  {speed}{facts}  left {left}", whole=done == total)
