"""``labeler show``"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from labeler.arguments import parse_features
from labeler.cli.display import clean, coloured, out, print_json, score_text
from labeler.cli.hints import to_label
from labeler.cli.options import JSON, OF_RUN
from labeler.errors import InputError

if TYPE_CHECKING:
    from labeler.api import Dictionary
    from labeler.features import Context, Evidence


MANY = 20
"""Near-duplicates that are listed."""

AGAINST_LOOKUP = {
    "better": "the label does clearly better",
    "alike": "the label does about as well",
    "worse": "the label does worse",
    None: "nothing can be said of which does better",
}
"""How a label stands to the look-up of tokens (``labeler.catalogue.beside``)."""

NEAR = {"token": "has its token", "embedding": "reads alike", "neighbour": "a near feature fires"}
"""Why a silent context is shown."""


def show(
    name: Annotated[str, typer.Argument(help="The dictionary.")],
    features: Annotated[
        list[str] | None, typer.Argument(help="Which: indices and ranges, such as 3 17 20-24, or @file.")
    ] = None,
    random: Annotated[int | None, typer.Option(min=1, help="Some labelled features, drawn anew each time.")] = None,
    best: Annotated[int | None, typer.Option(min=1, help="Those with the highest headline scores.")] = None,
    worst: Annotated[int | None, typer.Option(min=1, help="Those with the lowest headline scores.")] = None,
    contexts: Annotated[int, typer.Option(min=0, help="How many contexts to show of each.")] = 8,
    run: OF_RUN = None,
    json: JSON = False,
) -> None:
    """Features: label, scores with intervals, a histogram of activations, what stands around the active tokens."""
    from labeler import api
    from labeler.cli.contexts import LEGEND

    dictionary = api.open(name)
    of = None if run is None else dictionary.run(run).id
    indices = chosen(dictionary, features or (), random=random, best=best, worst=worst, run=of)
    rows = {row["index"]: row for row in dictionary.catalogue(indices, run=of)}
    if json:
        found = [facts(dictionary, index, rows.get(index), contexts) for index in indices]
        one = features is not None and len(features) == 1 and features[0].isdecimal()
        print_json(found[0] if one else found)
        return
    for number, index in enumerate(indices):
        if number:
            out.print()
        about(dictionary, index, rows.get(index), contexts, of)
    if contexts and not coloured(out):
        out.print()
        out.print(LEGEND, highlight=False, markup=False, soft_wrap=True)


def chosen(
    dictionary: Dictionary,
    named: Sequence[str],
    *,
    random: int | None,
    best: int | None,
    worst: int | None,
    run: str | None,
) -> list[int]:
    """The features to show, in the order to show them; InputError where none are, or two ways of choosing are given."""
    ways = [named or None, random, best, worst]
    if sum(way is not None for way in ways) != 1:
        raise InputError("say which features to show: 3 17 20-24, or one of --random N, --best N, --worst N")
    if random is not None:
        return dictionary.drawn(random, run=run)
    if named:
        here = dictionary.store.indices.tolist()
        parts = (
            [dictionary.store.check_index(int(part))] if part.isdecimal() else parse_features(part, here)
            for part in named
        )
        return list(dict.fromkeys(index for part in parts for index in part))
    n = best or worst or 0
    found = dictionary.best(n, worst=worst is not None, run=run)
    if not found:
        whose = f"run {run}" if run else f"'{dictionary.name}'"
        raise InputError(f"no label of {whose} has a headline score yet; labeler label {dictionary.name}")
    return found


def about(dictionary: Dictionary, index: int, row: dict[str, Any] | None, n: int, run: str | None) -> None:
    """All that a person is told of one feature."""
    from labeler.cli.contexts import highlighted
    from labeler.cli.histogram import bars, drawn

    evidence = dictionary.evidence(index)
    heading(dictionary, evidence, row, run)
    if row is not None and row["scores"]:
        out.print(scores(row))
        verdict = control(row)
        if verdict:
            out.print(Text(verdict, style="dim"))
        for reason in dict.fromkeys(s["reason"] for s in row["scores"].values() if s["state"] == "unscored"):
            out.print(Text(f"not scored: {clean(reason or 'nobody said why')}", style="yellow"), soft_wrap=True)
        if "null" in row["controls"]:
            out.print(Text(f"the null is missing: {clean(row['controls']['null']['failed'])}", style="yellow"))
    for theirs in row["imported"] if row is not None else dictionary.imported(index).get(index, []):
        out.print(imported(theirs), soft_wrap=True)
    for line in neighbourhood(evidence, row):
        out.print(line, soft_wrap=True)
    found = bars(evidence.statistics.histogram)
    if found:
        counted = dictionary.store.manifest.sampling == "population"
        out.print()
        for bar in drawn(found, "tokens" if counted else "tokens at hand"):
            out.print(Text(bar, style="dim"), soft_wrap=True)
    out.print()
    strongest = evidence.statistics.max_activation
    shown = evidence.contexts[:n]
    for context in shown:
        out.print(highlighted(context, strongest), soft_wrap=True)
    if not evidence.contexts:
        dead = statistics_say_dead(evidence)
        out.print(
            Text("it is active nowhere in the corpus" if dead else "no context in which it fires is here", style="dim")
        )
        return
    for miss in dictionary.near_misses(index, "explain", 1) if shown else ():
        silent = Text(f"silent  {clean(miss.context.text)}", style="dim")
        out.print(silent.append(f"  {NEAR[miss.kind]}"), soft_wrap=True)


def imported(theirs: dict[str, Any]) -> Text:
    """A label that came with the evidence, who made it, and what it scores where it was scored."""
    line = Text.assemble(("imported ", "dim"), clean(theirs["label"]), (f"  ({clean(theirs['explainer'])})", "dim"))
    if theirs["description"]:
        line.append(f"  {clean(theirs['description'])}")
    for key, score in theirs["scores"].items():
        if key.startswith("simulation"):
            line.append(Text.assemble("  ", (f"{key} ", "dim"), score_text(score)))
    return line


def neighbourhood(evidence: Evidence, row: dict[str, Any] | None) -> Iterator[Text]:
    """What its weights and its neighbours say, and the labels that were not chosen: lines."""
    if evidence.promoted and not evidence.telling:
        why = "too little is here to measure whether they say anything"
        if evidence.lens is not None:
            why = f"they tell this feature from others at AUC {evidence.lens.auc:.2f}".replace(" 0.", " .")
        yield Text(f"promoted tokens: not shown, {why}", style="dim")
    for what, tokens in (("promotes", evidence.promoted), ("suppresses", evidence.suppressed)):
        if tokens and evidence.telling:
            listing = "  ".join(clean(token).strip() or "␣" for token, _ in tokens)
            yield Text.assemble((f"{what} ", "dim"), listing)
    if evidence.nearest:
        nearest = ", ".join(f"{other} ({closeness:.2f})" for other, closeness in evidence.nearest)
        yield Text(f"nearest features: {nearest}", style="dim")
    if evidence.near_duplicates:
        yield Text(f"near-duplicates: {listed(evidence.near_duplicates)}", style="dim")
    if row is not None and row["same_label"]:
        yield Text(f"the same label is on its near-duplicates {listed(row['same_label'])}", style="yellow")
    if row is not None and row["alternatives"]:
        others = "; ".join(
            f"{clean(other['label']) or 'unclear'} ({clean(other['explainer'])})" for other in row["alternatives"]
        )
        yield Text(f"also considered: {others}", style="dim")


def facts(dictionary: Dictionary, index: int, row: dict[str, Any] | None, n: int) -> dict[str, Any]:
    """The same for another program, its contexts whole."""
    from labeler.cli.histogram import bars

    evidence = dictionary.evidence(index)
    return {
        "index": index,
        "row": row,
        "imported": row["imported"] if row is not None else dictionary.imported(index).get(index, []),
        "contexts": [as_dict(context) for context in evidence.contexts[:n]],
        "histogram": [
            {"low": bar.low, "high": bar.high if isfinite(bar.high) else None, "tokens": bar.tokens}
            for bar in bars(evidence.statistics.histogram)
        ],
        "promoted": evidence.telling,
        "suppressed": evidence.suppressed if evidence.telling else (),
        "lens": None if evidence.lens is None else {**asdict(evidence.lens), "says": evidence.lens.says},
        "nearest": evidence.nearest,
        "near_misses": [
            {"kind": miss.kind, "weight": miss.weight, **as_dict(miss.context)}
            for miss in dictionary.near_misses(index, "explain", 2)
        ],
    }


def statistics_say_dead(evidence: Evidence) -> bool:
    """Whether it is known to be active nowhere, and not only where nobody looked."""
    return evidence.statistics.density == 0


def heading(dictionary: Dictionary, evidence: Evidence, row: dict[str, Any] | None, run: str | None = None) -> None:
    """What it is, in two lines; without a label the command that makes one, where one can be made."""
    statistics = evidence.statistics
    title = Text(f"{dictionary.name} / {evidence.index}  ", style="bold")
    if row is None and run is not None:
        title.append(f"run {run} has no label of it", style="dim")
    elif row is None:
        hint = to_label(dictionary, [evidence.index]) or "too few contexts are here to explain it from"
        title.append(f"not labelled yet; {hint}", style="dim")
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
        table.add_column(column, overflow="fold")
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
    verdict = AGAINST_LOOKUP[row["controls"].get("against_lookup")]
    between = lookup.get("difference")
    by = (
        ""
        if between is None
        else f" (difference {between['value']:+.2f} [{between['low']:+.2f} {between['high']:+.2f}])"
    )
    return f"a look-up of tokens scores {score_text({**lookup, 'state': 'ok'})}; {verdict}{by}"


def as_dict(context: Context) -> dict[str, Any]:
    """A context for another program."""
    return {
        "document": context.document,
        "split": context.split,
        "tokens": list(context.tokens),
        "activations": [round(float(a), 4) for a in context.activations],
    }
