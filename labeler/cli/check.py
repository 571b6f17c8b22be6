"""``labeler check``"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from labeler.cli.display import counted, out, print_json
from labeler.cli.options import JSON
from labeler.printable import clean

MODEL = typer.Option(help="Ask this model one small question; it costs what a call costs.")
FORGET = typer.Option(help="Forget what was learned of this model's server, or of 'all'.")
MARKS = {"ok": ("✓", "green"), "absent": ("–", "dim"), "failed": ("✗", "bold red"), "malformed": ("✗", "bold red")}


def check(
    model: Annotated[str | None, MODEL] = None, forget: Annotated[str | None, FORGET] = None, json: JSON = False
) -> int:
    """What this machine and these settings can do: extras, precision, keys, prices, servers, models.

    Exit 1 where something does not work, 2 where a setting is malformed.
    """
    from labeler import checks
    from labeler.llm import quirks as servers
    from labeler.settings import settings

    chosen = settings()
    if forget is not None:
        n = servers.forget(chosen, None if forget == "all" else forget)
        out.print(f"{counted(n, 'lesson')} forgotten", highlight=False)
        return 0
    found = []
    area = ""
    for finding in checks.check(chosen, model):
        found.append(finding)
        if json:
            continue
        if finding.area != area:
            area = finding.area
            out.print(Text(area, style="bold"))
        mark, style = MARKS[finding.state]
        line = Text.assemble("  ", (mark, style), f" {clean(finding.name):<20} ", clean(finding.said))
        out.print(line, soft_wrap=True)
    if json:
        print_json([vars(finding) for finding in found])
    states = {finding.state for finding in found}
    return 2 if "malformed" in states else int("failed" in states)
