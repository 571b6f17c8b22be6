"""``python -m eval picture``: the demo's table as the README shows it."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.terminal_theme import MONOKAI

from eval.results import FOLDER
from labeler.cli.demo import announced, recorded_table, sentence, told
from labeler.recorded_demo import KEYS, bill, demo_dictionary, label_demo, unanswered, verdicts

WIDTH = 100
"""Cells, of a terminal as people have it."""

FEATURES = 16
"""The first of them: all would be as high as the page that the picture is on."""


def main() -> None:
    """Draw the beginning of the demo's table and what stands below it into eval/results/demo.svg."""
    dictionary = demo_dictionary()
    run = label_demo(dictionary)
    run.work()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(announced(), highlight=False)
    console.print(recorded_table(list(run.rows()), dictionary, FEATURES))
    console.print()
    for verdict in verdicts(run, KEYS):
        console.print(sentence(verdict), highlight=False)
    for line in told(bill(run), unanswered(run)):
        console.print(line, highlight=False)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "demo.svg"
    svg = console.export_svg(title="labeler demo", theme=MONOKAI)
    # A picture should not fetch fonts: whoever looks at it has some.
    path.write_text(re.sub(r",\s*url\([^)]*\) format\([^)]*\)", "", svg), encoding="utf-8")
    print(path)
