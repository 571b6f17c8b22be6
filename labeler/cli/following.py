"""What is being done and how far it is: a bar a stage on a terminal, a line every ten seconds elsewhere.

Ctrl-C: the first one stops the work, which takes until the batches under way are done; a second one ends the process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from labeler.cli.display import counted, dollars, err
from labeler.progress import Progress as Report
from labeler.progress import Stage, listening

if TYPE_CHECKING:
    from labeler.catalogue.records import Progress as RunProgress


INTERRUPTED = 130


class Interrupted:
    """Whether Ctrl-C came."""

    def __init__(self) -> None:
        self.once = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """As the handler of a signal: KeyboardInterrupt, and at the second time the end, wherever anything waits.

        What is stored survives that, as it survives a power cut. Nothing is printed from here, for a signal may come while
        the display is locked.
        """
        if self.once:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\n")  # a progress display hides the cursor
            os._exit(INTERRUPTED)
        self.once = True
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupted]:
    """Ctrl-C as it is handled here, while the context lasts, and from the first one on until the process ends.

    A process that handles it in its own way, or not at all, is left alone.
    """
    found = Interrupted()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return
    signal.signal(signal.SIGINT, found)
    try:
        yield found
    finally:
        if not found.once:
            signal.signal(signal.SIGINT, signal.default_int_handler)


EVERY = 10.0
"""Seconds between two lines where no terminal can show a bar."""

_BEAT = 0.1  # seconds

_NAME, _BAR, _LEAST_BAR = 20, 30, 8  # columns


def fitted(stage: Stage, elapsed: str, width: int) -> tuple[str, int, str]:
    """What a terminal of some columns shows of a stage: its name, the length of its bar, and what stands behind that.

    Where there is no room for all of it, first the time that it has taken goes, then the speed, then the facts, last first;
    then the bar and the name become shorter.
    """
    always = [part for part in (stage.count, stage.left) if part]
    room = width - 1 - _LEAST_BAR - sum(cell_len(part) + 1 for part in always)
    name = stage.name if cell_len(stage.name) <= room else set_cell_size(stage.name, max(room - 1, 3)).rstrip() + "…"
    room -= max(cell_len(name), min(_NAME, room))
    shown = set()
    for part in filter(None, (*stage.facts, stage.speed, elapsed)):
        if cell_len(part) + 1 <= room:
            room -= cell_len(part) + 1
            shown.add(part)
    name += " " * (_NAME - cell_len(name)) if room >= 0 and width > 2 * _NAME else ""
    order = (stage.count, *(part for part in (stage.speed, *stage.facts, elapsed) if part in shown), stage.left)
    return name, max(0, min(_BAR, _LEAST_BAR + room)), " ".join(filter(None, order))


class _Line(ProgressColumn):
    """All that is shown of a stage, as wide as the terminal."""

    def render(self, task: Task) -> Table:
        stage: Stage = task.fields["stage"]
        elapsed = str(timedelta(seconds=int((task.finished_time if task.finished else task.elapsed) or 0)))
        name, bar, rest = fitted(stage, elapsed, err.width)
        row = Table.grid(padding=(0, 1))
        total = None if task.total is None else max(task.total, 0)
        drawn = ProgressBar(total, task.completed, width=bar, pulse=not task.started, animation_time=task.get_time())
        row.add_row(Text(name), drawn, Text(rest)) if bar else row.add_row(Text(name), Text(rest))
        return row


class Board:
    """Shows the stages of some work while the context lasts, from any thread, on stderr; there Ctrl-C says what it does."""

    def __init__(self) -> None:
        # A file stays one where colours are asked for, and some terminals cannot move the cursor: they get lines.
        self._moves = err.is_interactive and err.file.isatty()
        self._bars = Progress(_Line(), console=err, disable=not self._moves)
        self._stages: dict[str, tuple[Stage, TaskID]] = {}
        self._main: Stage | None = None
        self._lock = threading.Lock()
        self._written = time.monotonic()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="progress", daemon=True)
        self._open = ExitStack()

    def __enter__(self) -> Board:
        self._interrupted = self._open.enter_context(interruptible())
        self._bars.start()
        self._heart.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._heart.join()
        self._bars.stop()
        self._open.close()

    def show(
        self,
        stage: str,
        done: int,
        total: int | None,
        unit: str = "",
        *,
        facts: Sequence[str] = (),
        aside: bool = False,
    ) -> None:
        """How far a stage is; one ``aside`` is gone when it is over, and tells only what a main stage is waiting for."""
        with self._lock:
            known = self._stages.get(stage)
            if known is not None and known[0].over and done == total:  # told again
                return
            begins = known is None or known[0].over
            one, task = self._begun(stage, done, known) if begins or known is None else known
            one.hear(done, total, unit, facts, aside)
            self._draw(one, task)
            if not aside:
                self._main = one
                self._clear()
            worth = not aside and (one.countable or one.written)  # what was over at once need not have been told
            if one.over and worth:
                self._write(one)
            elif (begins and worth) or self._due():
                self._write()

    def _begun(self, name: str, first: int, known: tuple[Stage, TaskID] | None) -> tuple[Stage, TaskID]:
        stage = Stage(name, first)
        if known is None:
            task = self._bars.add_task(name, total=None, stage=stage)
        else:
            task = known[1]
            self._bars.reset(task, stage=stage)
        self._stages[name] = stage, task
        return self._stages[name]

    def _draw(self, stage: Stage, task: TaskID) -> None:
        self._bars.update(
            task,
            completed=stage.done,
            total=stage.total if stage.countable or stage.over else None,  # without a total the bar only moves
            visible=not (stage.aside and stage.over),
        )

    def _clear(self) -> None:
        """Take away what was told so long ago that nobody knows whether it is still being done."""
        for stage, task in self._stages.values():
            if stage.aside and not stage.news:
                self._bars.update(task, visible=False)

    def _due(self) -> bool:
        return time.monotonic() - self._written >= EVERY

    def _write(self, ended: Stage | None = None) -> None:
        """A line of what is being done, or of what has ended just now, where no bar shows it."""
        asides = [stage for stage, _ in self._stages.values() if stage.aside and stage.news]
        latest = sorted(asides, key=lambda stage: stage.heard)[-1:]
        now = [stage for stage in (self._main, *latest) if stage is not None and stage is not ended and stage.news]
        if not self._moves and (ended or now):
            self._written = time.monotonic()
            told = [ended] if ended else now
            for stage in told:
                stage.written = True
            err.print("; ".join(map(str, told)), highlight=False, markup=False, soft_wrap=True)

    def _beat(self) -> None:
        """Now and then a line, also where nothing moves, and at once what Ctrl-C did."""
        said = False
        while not self._ended.wait(_BEAT):
            if self._interrupted.once and not said:
                said = True
                err.print("stopping… (Ctrl-C again ends at once; nothing is lost)", highlight=False)
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
        facts = [f"spent {dollars(run.usd)}", f"failed {run.failed}", counted(run.calls, "call")]
        if run.in_control and labelled < run.total:
            facts.append(f"{run.in_control} waiting for the null")
        if run.pending:
            facts.append(f"{run.pending} answers to come")
        if run.unpriced_calls:
            facts.append(f"{run.unpriced_calls} calls of unknown price")
        self._board.show(self._doing, labelled, run.total, "features", facts=facts)
        if labelled == run.total:
            self._board.show("comparing with nulls", run.done, run.total, "features", facts=facts)
        waited = time.monotonic() - self._began
        if not self._hinted and waited > 10 and not run.leased and not run.parked and run.total and labelled == 0:
            self._hinted = True
            err.print("no worker has taken up the run yet; start one with: labeler worker")
