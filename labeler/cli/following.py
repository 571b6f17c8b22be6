"""What is being done and how far it is: a bar a stage on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from labeler.cli.display import counted, dollars, err
from labeler.progress import Progress as Report
from labeler.progress import listening

if TYPE_CHECKING:
    from labeler.catalogue.records import Progress as RunProgress

EVERY = 10.0
"""Seconds between two lines where no terminal can show a bar."""

STALE = 30.0
"""Seconds after which what was told of an endless stage is no news any more."""


@dataclass
class Stage:
    """How far a stage is, and how fast it moves: by what came since it was first heard of."""

    name: str
    first: int
    """What an earlier call had done; it came at once, and is no speed."""
    done: int = 0
    total: int | None = None
    unit: str = ""
    facts: str = ""
    written: bool = False
    """Whether a line has told of it."""
    began: float = field(default_factory=lambda: time.monotonic())
    heard: float = field(default_factory=lambda: time.monotonic())

    @property
    def over(self) -> bool:
        """Whether all of it is done."""
        return self.done == self.total

    @property
    def news(self) -> bool:
        """Whether it is what is being done now, as far as anybody told."""
        return not self.over and (self.total is not None or time.monotonic() - self.heard < STALE)

    @property
    def countable(self) -> bool:
        """Whether it can be more than begun or over."""
        return bool(self.unit) or self.total != 1

    @property
    def count(self) -> str:
        """How much is done, of how much."""
        if not self.countable:
            return ""
        total = f"/{self.total:,}" if self.total else ""
        return f"{min(self.done, self.total or self.done):,}{total}"

    @property
    def rate(self) -> float:
        """Units a second; 0 where nobody can say yet."""
        seconds = time.monotonic() - self.began
        return (self.done - self.first) / seconds if self.done > self.first and seconds > 0.5 else 0.0

    @property
    def speed(self) -> str:
        """The rate in words."""
        digits = 0 if self.rate >= 10 else 1 if self.rate >= 1 else 2
        return f"{self.rate:,.{digits}f} {self.unit}/s" if self.rate and self.unit else ""

    @property
    def left(self) -> str:
        """The time that is left, as minutes and seconds; nothing where it cannot be said."""
        if not self.total or not self.countable or self.over:
            return ""
        seconds = int((self.total - self.done) / self.rate) if self.rate else None
        return "left " + ("-:--" if seconds is None else f"{max(seconds, 0) // 60}:{max(seconds, 0) % 60:02d}")

    def __str__(self) -> str:
        since = f"{time.monotonic() - self.began:.0f} s"
        facts = (f"{self.count} {self.unit}".strip(), self.speed, self.facts, self.left) if self.countable else (since,)
        return f"{self.name}: " + "  ".join(filter(None, facts))


class Board:
    """Shows the stages of some work while the context lasts, from any thread, on stderr."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<20}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=err,
            disable=not err.is_terminal,
        )
        self._stages: dict[str, tuple[Stage, TaskID]] = {}
        self._main: Stage | None = None
        self._aside: Stage | None = None
        self._lock = threading.Lock()
        self._written = time.monotonic()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="progress", daemon=True)

    def __enter__(self) -> Board:
        self._bars.start()
        self._heart.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._heart.join()
        self._bars.stop()

    def show(
        self, stage: str, done: int, total: int | None, unit: str = "", *, facts: str = "", aside: bool = False
    ) -> None:
        """How far a stage is; one ``aside`` is gone when it is over, and tells only what a main stage is waiting for."""
        with self._lock:
            known = self._stages.get(stage)
            if known is not None and known[0].over and done == total:  # told again
                return
            begins = known is None or known[0].over
            one, task = self._begun(stage, done, known) if begins or known is None else known
            one.done, one.total, one.unit, one.facts, one.heard = done, total, unit, facts, time.monotonic()
            self._draw(one, task, aside)
            if aside:
                self._aside = one
            else:
                self._main = one
                self._clear()
            worth = not aside and (one.countable or one.written)  # what was over at once need not have been told
            if one.over and worth:
                self._write(one)
            elif (begins and worth) or self._due():
                self._write()

    def _begun(self, name: str, first: int, known: tuple[Stage, TaskID] | None) -> tuple[Stage, TaskID]:
        if known is None:
            task = self._bars.add_task(name, total=None, count="", facts="", left="")
        else:
            task = known[1]
            self._bars.reset(task)
        self._stages[name] = Stage(name, first), task
        return self._stages[name]

    def _draw(self, stage: Stage, task: TaskID, aside: bool) -> None:
        self._bars.update(
            task,
            completed=stage.done,
            total=stage.total if stage.countable or stage.over else None,  # without a total the bar only moves
            count=stage.count,
            facts="  ".join(filter(None, (stage.speed, stage.facts))),
            left=stage.left,
            visible=not (aside and stage.over),
        )

    def _clear(self) -> None:
        """Take away what was told so long ago that nobody knows whether it is still being done."""
        if self._aside is not None and not self._aside.news:
            self._bars.update(self._stages[self._aside.name][1], visible=False)
            self._aside = None

    def _due(self) -> bool:
        return time.monotonic() - self._written >= EVERY

    def _write(self, ended: Stage | None = None) -> None:
        """A line of what is being done, or of what has ended just now, where no terminal shows it."""
        now = [stage for stage in (self._main, self._aside) if stage is not None and stage is not ended and stage.news]
        if not err.is_terminal and (ended or now):
            self._written = time.monotonic()
            told = [ended] if ended else now
            for stage in told:
                stage.written = True
            err.print("; ".join(map(str, told)), highlight=False, markup=False, soft_wrap=True)

    def _beat(self) -> None:
        """Now and then a line, also where nothing moves."""
        while not self._ended.wait(EVERY / 20):
            with self._lock:
                if self._due():
                    self._write()


@contextmanager
def collecting() -> Iterator[Report]:
    """A bar a stage, with what is done per second and the time left."""
    with Board() as board:
        yield board.show


class Following:
    """The live line of a run: features/s, spent, failed, time left; beneath it what the worker in this process is at."""

    def __init__(self, doing: str = "labelling") -> None:
        self._doing = f"{doing} features"
        self._board = Board()
        self._open = ExitStack()
        self._began = time.monotonic()
        self._hinted = False

    def __enter__(self) -> Following:
        self._open.enter_context(self._board)
        self._open.enter_context(listening(self._told))
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def _told(self, stage: str, done: int, total: int | None, unit: str = "") -> None:
        self._board.show(stage, done, total, unit, aside=True)

    def __call__(self, run: RunProgress) -> None:
        """Take a look's figures."""
        labelled = run.in_control + run.done
        facts = f"spent {dollars(run.usd)} for {counted(run.calls, 'call')}  failed {run.failed}"
        if run.pending:
            facts += f"  {run.pending} answers to come"
        if run.unpriced_calls:
            facts += f"  {run.unpriced_calls} calls of unknown price"
        self._board.show(self._doing, labelled, run.total, "features", facts=facts)
        if labelled == run.total:
            self._board.show("comparing with nulls", run.done, run.total, "features", facts=facts)
        waited = time.monotonic() - self._began
        if not self._hinted and waited > 10 and not run.leased and not run.parked and run.total and labelled == 0:
            self._hinted = True
            err.print("no worker has taken up the run yet; start one with: labeler worker")
