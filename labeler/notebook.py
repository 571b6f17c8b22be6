"""In a notebook: what is being done as one output that moves, and others' text as HTML that can do nothing.

Where no kernel of IPython's runs it is told in lines, now and then; IPython itself is never imported for it.
"""

from __future__ import annotations

import html
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labeler.fence import BLANK, one_line
from labeler.progress import Progress, Stage, listening

if TYPE_CHECKING:
    from labeler.catalogue.records import Progress as RunProgress
    from labeler.features import Context

EVERY = 0.2
"""Seconds between two pictures of the same stages."""

LINE_EVERY = 10.0
"""Seconds between two lines where no notebook can show a picture, and before the first."""

LOGGERS = ("labeler.progress", "labeler")
"""The loggers whose levels silence such lines, above information; not the root's, which the worker in this process sets."""

_TURNING = re.compile("[\u061c\u202a-\u202e\u2066-\u2069]")  # what changes the direction in which text is written


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Stages:
    """How far the stages of some work are, heard from any thread, and drawn now and then."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}
        self._drawn = 0.0
        self._lock = threading.Lock()

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
        """How far a stage is; one ``aside`` is gone when it is over."""
        with self._lock:
            known = self._stages.get(stage)
            begins = known is None or (known.over and done != total)
            one = Stage(stage, done) if begins or known is None else known
            news = begins or (done == total) != one.over
            one.hear(done, total, unit, facts, aside)
            self._stages[stage] = one
            if self._due(one, news):
                self._draw([stage for stage in self._stages.values() if not stage.aside or stage.news])

    def _due(self, stage: Stage, news: bool) -> bool:
        return news or stage.heard - self._drawn >= EVERY

    def _draw(self, stages: list[Stage]) -> None:
        raise NotImplementedError


class Cell(Stages):
    """Shows the stages of some work in one output of a notebook's cell."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Any = None

    def _draw(self, stages: list[Stage]) -> None:
        from IPython.display import display

        if not stages:
            return
        told = {"text/plain": "\n".join(map(str, stages)), "text/html": "".join(map(_drawn, stages))}
        if self._shown is None:
            self._shown = display(told, raw=True, display_id=True)
        else:
            self._shown.update(told, raw=True)
        self._drawn = time.monotonic()


class Lines(Stages):
    """Writes a line about what takes longer than some seconds, and another every so often: a script's sign of life.

    They go to stderr, unless the level of the logger ``labeler.progress`` (or ``labeler``) is above information.
    """

    def __init__(self) -> None:
        super().__init__()
        self._drawn = time.monotonic()

    def _due(self, stage: Stage, news: bool) -> bool:
        return stage.heard - self._drawn >= LINE_EVERY or (stage.over and news and stage.written)

    def _draw(self, stages: list[Stage]) -> None:
        self._drawn = time.monotonic()
        now = [stage for stage in stages if stage.news] or sorted(stages, key=lambda stage: stage.heard)[-1:]
        for stage in now:
            stage.written = True
        if now and not _quiet():
            sys.stderr.write("; ".join(map(str, now)) + "\n")
            sys.stderr.flush()


def _quiet() -> bool:
    """Whether somebody asked for silence."""
    level = next((one.level for one in map(logging.getLogger, LOGGERS) if one.level), logging.INFO)
    return level > logging.INFO or any(logging.getLogger(name).disabled for name in LOGGERS)


def _drawn(stage: Stage) -> str:
    how_far = f' value="{min(stage.done, stage.total)}" max="{stage.total}"' if stage.total else ""
    bar = "" if stage.over and not stage.total else f"<progress{how_far}></progress> "
    return f'<div style="font-family:monospace">{bar}{escaped(str(stage))}</div>'


def _watcher() -> Stages:
    """Who shows a caller's work that shows it not itself."""
    return Cell() if in_notebook() else Lines()


@contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """The caller's own progress; where there is none, a notebook's cell, and lines elsewhere.

    It hears, too, what is told deep inside (``labeler.progress.tell``).
    """
    told = progress if progress is not None else _watcher().show
    with listening(told):
        yield told


@contextmanager
def watching(watch: Callable[[RunProgress], None] | None, doing: str) -> Iterator[Callable[[RunProgress], None] | None]:
    """The same for whoever looks at a run: ``doing`` is what it does with features ("labelling")."""
    if watch is not None:
        yield watch
        return
    cell = _watcher()

    def look(run: RunProgress) -> None:
        labelled = run.in_control + run.done
        facts = (f"spent ${run.usd:.4f}", f"failed {run.failed}")
        cell.show(f"{doing} features", labelled, run.total, "features", facts=facts)
        if labelled == run.total:
            cell.show("comparing with nulls", run.done, run.total, "features", facts=facts)

    def told(stage: str, done: int, total: int | None, unit: str = "") -> None:
        cell.show(stage, done, total, unit, aside=True)

    with listening(told):
        yield look


def escaped(text: str) -> str:
    """Text of others inside HTML: on one line with signs for its white space, no markup, in its own direction."""
    return html.escape(_harmless(text))


def shaded(context: Context, strongest: float) -> str:
    """A context as HTML, its active tokens on a ground that is the stronger the stronger they are.

    ``strongest`` is the feature's maximum; how strong a token is stands in its tooltip.
    """
    text = _harmless(context.text)
    parts, start = [], 0
    for token, activation in zip(context.tokens, context.activations.tolist(), strict=True):
        piece = html.escape(text[start : start + len(token)])
        start += len(token)
        if activation > 0:
            share = min(1.0, activation / strongest) if strongest > 0 else 1.0
            ground = f"rgba(255,165,0,{0.15 + 0.75 * share:.2f})"
            piece = f'<span title="{activation:.3g}" style="background:{ground}">{piece}</span>'
        parts.append(piece)
    return f'<bdi style="white-space:pre-wrap">{"".join(parts)}</bdi>'


def _harmless(text: str) -> str:
    """Character for character as long as before."""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # half characters end a message to a notebook
    return _TURNING.sub(BLANK, one_line(whole))
