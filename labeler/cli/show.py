"""``labeler show``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from labeler.cli.display import clean, coloured, out, print_json, score_text
from labeler.cli.options import JSON
from labeler.fence import marked

if TYPE_CHECKING:
    from labeler.features import Context, Evidence


MANY = 20
"""Near-duplicates that are listed."""

NEAR = {"token": "has its token", "embedding": "reads alike", "neighbour": "a near feature fires"}
"""Why a silent context is shown."""


def show(
    name: Annotated[str, typer.Argument(help="The dictionary.")],
    index: Annotated[int, typer.Argument(help="The feature.", min=None)],
    contexts: Annotated[int, typer.Option(help="How many contexts to show.")] = 8,
    json: JSON = False,
) -> None:
    """One feature: label, scores with intervals, highlighted contexts."""
    from labeler import api

    dictionary = api.open(name)
    evidence = dictionary.evidence(index)
    row = next(dictionary.catalogue([index]), None)
    if json:
        print_json(
            {
                "row": row,
                "contexts": [as_dict(context) for context in evidence.contexts[:contexts]],
                "promoted": evidence.promoted,
                "suppressed": evidence.suppressed,
                "nearest": evidence.nearest,
                "near_misses": [
                    {"kind": miss.kind, "weight": miss.weight, **as_dict(miss.context)}
                    for miss in dictionary.near_misses(index, "explain", 2)
                ],
            }
        )
        return
    heading(name, evidence, row)
    if row is not None and row["scores"]:
        out.print(scores(row))
        verdict = control(row)
        if verdict:
            out.print(Text(verdict, style="dim"))
        if "null" in row["controls"]:
            out.print(Text(f"the null is missing: {clean(row['controls']['null']['failed'])}", style="yellow"))
    if evidence.promoted:
        promoted = "  ".join(clean(token).strip() or "␣" for token, _ in evidence.promoted)
        out.print(Text.assemble(("promotes ", "dim"), promoted), soft_wrap=True)
        suppressed = "  ".join(clean(token).strip() or "␣" for token, _ in evidence.suppressed)
        if suppressed:
            out.print(Text.assemble(("suppresses ", "dim"), suppressed), soft_wrap=True)
    if evidence.nearest:
        nearest = ", ".join(f"{other} ({closeness:.2f})" for other, closeness in evidence.nearest)
        out.print(Text(f"nearest features: {nearest}", style="dim"), soft_wrap=True)
    if evidence.near_duplicates:
        out.print(Text(f"near-duplicates: {listed(evidence.near_duplicates)}", style="dim"), soft_wrap=True)
    if row is not None and row["same_label"]:
        out.print(
            Text(f"the same label is on its near-duplicates {listed(row['same_label'])}", style="yellow"),
            soft_wrap=True,
        )
    if row is not None and row["alternatives"]:
        others = "; ".join(
            f"{clean(other['label']) or 'unclear'} ({clean(other['explainer'])})" for other in row["alternatives"]
        )
        out.print(Text(f"also considered: {others}", style="dim"), soft_wrap=True)
    out.print()
    strongest = evidence.statistics.max_activation
    for context in evidence.contexts[:contexts]:
        out.print(highlighted(context, strongest), soft_wrap=True)
    if not evidence.contexts:
        dead = statistics_say_dead(evidence)
        out.print(
            Text("it is active nowhere in the corpus" if dead else "no context in which it fires is here", style="dim")
        )
        return
    for miss in dictionary.near_misses(index, "explain", 1):
        line = Text(f"silent  {clean(miss.context.text)}", style="dim")
        out.print(line.append(f"  {NEAR[miss.kind]}"), soft_wrap=True)


def statistics_say_dead(evidence: Evidence) -> bool:
    """Whether it is known to be active nowhere, and not only where nobody looked."""
    return evidence.statistics.density == 0


def heading(name: str, evidence: Evidence, row: dict[str, Any] | None) -> None:
    """What it is, in two lines."""
    statistics = evidence.statistics
    title = Text(f"{name} / {evidence.index}  ", style="bold")
    if row is None:
        title.append(f"not labelled yet; labeler label {name} --features {evidence.index}", style="dim")
    elif row["label"]:
        title.append(clean(row["label"]), style="bold green")
        title.append(f"  ({clean(row['explainer'])})", style="dim")
    else:
        title.append(row["state"], style="yellow")
        title.append(f"  {clean(row['reason'] or '')}", style="dim")
    out.print(title, soft_wrap=True)
    if row is not None and row["description"]:
        out.print(Text(clean(row["description"])), soft_wrap=True)
    share = "an unknown share" if statistics.density is None else f"{statistics.density:.4%}"
    tokens = f"{statistics.n_tokens:,} tokens" if statistics.n_tokens else "tokens"
    out.print(Text(f"active on {share} of {tokens}, at most {statistics.max_activation:.1f}", style="dim"))


def scores(row: dict[str, Any]) -> Table:
    """Every score with its interval, null percentile and state; the headline first."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("score", "value [95 %]", "beats of nulls", "contexts", "worth uniform", "state"):
        table.add_column(column)
    for key, score in row["scores"].items():
        beats = "–" if score["null_percentile"] is None else f"{score['null_percentile']:.0f} %"
        worth = "–" if score["uniform_equivalent_n"] is None else f"{score['uniform_equivalent_n']:,.0f}"
        name = Text(key, style="bold" if key == row["headline"] else "")
        table.add_row(name, score_text(score), beats, f"{score['n_contexts']:,}", worth, score["state"])
    return table


def listed(indices: Sequence[int]) -> str:
    """Some features, and how many more there are."""
    more = f" and {len(indices) - MANY} more" if len(indices) > MANY else ""
    return ", ".join(map(str, indices[:MANY])) + more


def control(row: dict[str, Any]) -> str:
    """How the headline stands to the token look-up; nothing where none was made."""
    lookup = row["controls"].get("lookup")
    if lookup is None:
        return ""
    if lookup["value"] is None:
        return "a look-up of tokens predicts nothing here"
    verdict = {
        True: "the label beats it",
        False: "the label does not beat it: it says no more than a list of tokens",
        None: "the headline is no number to compare with it",
    }[row["controls"].get("beats_lookup")]
    return f"a look-up of tokens scores {lookup['value']:+.2f}; {verdict}"


def highlighted(context: Context, strongest: float) -> Text:
    """A context on one line, its active tokens on a ground the brighter the stronger, or in marks where there is none."""
    line = Text(f"{context.maximum:6.1f}  ", style="dim")
    if not coloured(out):
        line.append(clean(marked(context.tokens, (context.activations > 0).tolist())))
        return line.append(f"  {clean(context.document)} · {context.split}")
    for token, activation in zip(context.tokens, context.activations, strict=True):
        share = float(activation) / strongest if strongest else 0.0
        style = (
            f"black on rgb({255 - int(140 * share)},{245 - int(20 * share)},{int(170 * (1 - share))})" if share else ""
        )
        line.append(clean(token), style=style)
    line.append(f"  {clean(context.document)} · {context.split}", style="dim")
    return line


def as_dict(context: Context) -> dict[str, Any]:
    """A context for another program."""
    return {
        "document": context.document,
        "split": context.split,
        "tokens": list(context.tokens),
        "activations": [round(float(a), 4) for a in context.activations],
    }
