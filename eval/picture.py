"""``python -m eval picture``: the demo's table as the README shows it."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.terminal_theme import MONOKAI

from eval.results import FOLDER
from labeler.cli.demo import sentence, table
from labeler.demo import FEATURES, collect_sample, label_as_demo, verdicts


def main() -> None:
    """Draw the finished demo's table into eval/results/demo.svg."""
    dictionary = collect_sample()
    run = label_as_demo(dictionary, dictionary.spread(FEATURES))
    run.work()
    console = Console(record=True, width=132, file=io.StringIO())
    console.print(table(list(run.rows()), dictionary.store.manifest.n_tokens))
    for verdict in verdicts(run):
        console.print(sentence(verdict), highlight=False)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "demo.svg"
    svg = console.export_svg(title="labeler demo", theme=MONOKAI)
    # A picture should not fetch fonts: whoever looks at it has some.
    path.write_text(re.sub(r",\s*url\([^)]*\) format\([^)]*\)", "", svg), encoding="utf-8")
    print(path)
