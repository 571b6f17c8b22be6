"""The demo's table: features with their labels and figures at any width, each over a context that shows where it fires."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from labeler.cli.display import coloured, score_text
from labeler.fence import CLOSE, OPEN, marked
from labeler.printable import clean

if TYPE_CHECKING:
    from labeler.features import Evidence

WIDEST = 110
"""Cells beyond which figures would stand too far from the labels that they are about."""

LABEL = 24
"""Cells that a label needs beside its figures; where there are fewer, it stands above them."""

INDENT = 7
"""Cells of a feature's index, and of the space behind it."""


@dataclass(frozen=True)
class Snippet:
    """A context around the token on which a feature is strongest."""

    before: str
    peak: str
    behind: str

    def fitted(self, width: int, in_colour: bool) -> Text:
        """As much of it as a line has room for, its token on a ground of its own, or in marks where there are no colours."""
        peak = self.peak if in_colour else f"{OPEN}{self.peak}{CLOSE}"
        room = max(0, width - cell_len(peak))
        behind = _first(self.behind, max(room // 3, room - cell_len(self.before)))
        before = _first(self.before[::-1], room - cell_len(behind))[::-1].lstrip()
        text = Text(no_wrap=True, overflow="ellipsis")
        return text.append(before, "dim").append(peak, "bold black on yellow").append(behind, "dim")


@dataclass(frozen=True)
class Line:
    """What is said of one feature."""

    index: int
    label: Text
    figures: Sequence[Text]
    beneath: Snippet | Text | None


@dataclass(frozen=True)
class FeatureTable:
    """A feature a line: its label, its figures beside it or, where it is too narrow for that, below; then a context."""

    title: str
    names: Sequence[str]
    """Of the figures."""
    lines: Sequence[Line]
    notes: Sequence[tuple[str, str]]
    """What names and signs mean."""
    left_out: int = 0
    """Features that there is no room for."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = min(options.max_width, WIDEST)
        widths = [
            max(cell_len(name), *(line.figures[at].cell_len for line in self.lines), 0)
            for at, name in enumerate(self.names)
        ]
        label = width - INDENT - sum(2 + one for one in widths)
        yield Constrain(Text(self.title, style="bold"), width)
        yield Text()
        if label >= LABEL:
            names = [Text(name, style="bold") for name in self.names]
            yield _beside(Text("index", style="bold"), Text("label", style="bold"), label, names, widths)
            yield Constrain(Rule(style="dim"), width)
        for line in self.lines:
            index = Text(str(line.index), style="cyan")
            if label >= LABEL:
                yield _beside(index, line.label, label, line.figures, widths)
            else:
                yield _beside(index, line.label, width - INDENT, [], [])
                yield Padding(_below(self.names, line.figures, width - INDENT), (0, 0, 0, INDENT), expand=False)
            if line.beneath is not None:
                inside = width - INDENT
                beneath = line.beneath
                shown = beneath.fitted(inside, coloured(console)) if isinstance(beneath, Snippet) else beneath
                yield Padding(Constrain(shown, inside), (0, 0, 0, INDENT), expand=False)
        if self.left_out:
            yield Padding(Text(f"… and {self.left_out} more features", style="dim"), (0, 0, 0, INDENT), expand=False)
        yield Text()
        notes = Table.grid(padding=(0, 2, 0, 0))
        for name, meaning in self.notes:
            notes.add_row(Text(name, style="bold dim"), Text(meaning, style="dim"))
        yield Constrain(notes, width)


def _beside(index: Text, label: Text, width: int, figures: Sequence[Text], widths: Sequence[int]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(width=INDENT - 2, justify="right", no_wrap=True)
    grid.add_column(width=width, overflow="fold")
    for one in widths:
        grid.add_column(width=one, no_wrap=True)
    grid.add_row(index, label, *figures)
    return grid


def _below(names: Sequence[str], figures: Sequence[Text], width: int) -> Text:
    """Figures behind their names, no figure parted from its own name where a line has room for both."""
    lines = [Text()]
    for name, figure in zip(names, figures, strict=True):
        item = Text.assemble((name, "dim"), " ", figure)
        if lines[-1] and lines[-1].cell_len + 2 + item.cell_len > width:
            lines.append(Text())
        lines[-1].append("  " if lines[-1] else "").append_text(item)
    return Text("\n").join(lines)


def _first(text: str, cells: int) -> str:
    """The beginning of a text that fits into so many cells of a terminal."""
    text = text[: max(0, cells)]
    while cell_len(text) > cells:
        text = text[:-1]
    return text


def snippet(evidence: Evidence) -> Snippet | None:
    """Where a feature is strongest in the strongest context of ``score``, which no explainer was shown."""
    contexts = evidence.of("score") or evidence.contexts
    if not contexts:
        return None
    context = contexts[0]
    peak = int(context.activations.argmax())
    # The fence takes away what looks like a mark, so these stand there once.
    before, _, rest = marked(context.tokens, [int(at == peak) for at in range(len(context.tokens))]).partition(OPEN)
    token, _, behind = rest.partition(CLOSE)
    return Snippet(clean(before), clean(token), clean(behind))


def line_of(row: dict[str, Any], evidence: Evidence, figures: Sequence[Text]) -> Line:
    """A row of the catalogue; where it failed, the reason stands in the place of a context."""
    label = Text(clean(row["label"]), style="bold") if row["label"] else Text(row["state"], style="yellow")
    failed = row["state"] == "failed"
    beneath = Text(clean(row["reason"] or ""), style="yellow") if failed else snippet(evidence)
    return Line(row["index"], label, figures, beneath)


def headline(score: dict[str, Any] | None) -> Text:
    """A score with its interval, or why there is none."""
    from labeler.llm.providers.offline import NOT_RECORDED

    if score is not None and NOT_RECORDED in (score["reason"] or ""):
        return Text("not recorded", style="yellow")
    return score_text(score)


def number(score: dict[str, Any] | None) -> Text:
    """A score alone."""
    return Text("–", style="dim") if not score or score["value"] is None else Text(f"{score['value']:.2f}")


def share(score: dict[str, Any] | None) -> Text:
    """How many of other features' labels it does better than."""
    percentile = score["null_percentile"] if score else None
    return Text("–", style="dim") if percentile is None else Text(f"{percentile:3.0f}%")
