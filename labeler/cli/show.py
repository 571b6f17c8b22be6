"""``labeler show``"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from labeler.arguments import among
from labeler.cli.display import (
    Cell,
    Column,
    coloured,
    out,
    print_flowing,
    print_json,
    print_table,
    score_text,
    tell,
)
from labeler.cli.listing import lists_line
from labeler.cli.options import JSON, OF_RUN
from labeler.cli.running import to_label
from labeler.errors import InputError
from labeler.printable import clean

if TYPE_CHECKING:
    from labeler.api import Dictionary
    from labeler.features import Context, Evidence


Row = Mapping[str, Any]
"""An exported row."""

MANY = 20
"""Near-duplicates that are listed."""

CLOSE = 0.25
"""How close a feature has to be to be named as near: of 10,000 random directions in 300 dimensions the nearest is at a
cosine of .22, and of features that meet by chance few share a quarter of where they fire."""

OTHERS = 3
"""Labels of other runs that are listed."""

AGAINST_LOOKUP = {
    "better": "the label does clearly better",
    "alike": "the label does about as well, as far as these contexts tell",
    "worse": "the label does worse",
    None: "nothing can be said of which does better",
}
"""How a label stands to the look-up of tokens (``labeler.catalogue.report``)."""

NEAR = {"token": "has its token", "embedding": "reads alike", "neighbour": "a near feature fires"}
"""Why a silent context is shown."""

HALVES = "by halves"
NOT_MEASURED = "not measured here whether such lists say anything"

MEANINGS = {
    "~": "imprecise; why stands beneath the scores",
    "[95 %]": "of a simulation_top_and_random: for more contexts such as are here, not for the corpus",
    "beats": "the share of other features' labels (the null) that score less in this one's place",
    "n": "the contexts on which the score was made",
    "worth": "so many contexts, drawn uniformly, would give as narrow an interval",
    "look-up": "how strong the feature is on each token by itself, without any label; the label does better or worse where "
    "the interval of the difference does not hold 0",
    HALVES: "of a feature in few documents this tells what labels of half of them are worth, and its own is of all of them",
}
"""What signs and words say, told at the end where they occurred."""

_WIDTH = re.compile(r"^(half of the interval's width), [\d.]+,")


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

    dictionary = api.open(name)
    of = None if run is None else dictionary.run(run).id
    indices, missing = chosen(dictionary, features or (), random=random, best=best, worst=worst, run=of)
    if missing:
        here = dictionary.store.indices
        tell(f"not here: {', '.join(missing)} ('{name}' has features {here[0]} to {here[-1]})")
    rows = {row["index"]: row for row in dictionary.catalogue(indices, run=of)}
    if json:
        found = [facts(dictionary, index, rows.get(index), contexts) for index in indices]
        one = features is not None and len(features) == 1 and features[0].isdecimal()
        print_json(found[0] if one else found)
        return
    printed(dictionary, indices, rows, contexts, of)


def printed(
    dictionary: Dictionary, indices: Sequence[int], rows: Mapping[int, Row], contexts: int, run: str | None = None
) -> None:
    """Some features one below the other, with their rows where they have any, and what signs and words say that occurred."""
    from labeler.cli.contexts import LEGEND

    every = [line for row in rows.values() for line in score_cells(row)]
    for number, index in enumerate(indices):
        if number:
            out.print()
        about(dictionary, index, rows.get(index), contexts, run, every)
    meanings = {name: MEANINGS[name] for name in MEANINGS if name in set(occurring(rows.values()))}
    marked = contexts and not coloured(out)
    if meanings or marked:
        out.print()
    for name, meaning in meanings.items():
        print_flowing(Text.assemble((f"{name}  ", "bold dim"), (meaning, "dim")))
    if marked:
        print_flowing(Text(LEGEND))


def chosen(
    dictionary: Dictionary,
    named: Sequence[str],
    *,
    random: int | None,
    best: int | None,
    worst: int | None,
    run: str | None,
) -> tuple[list[int], list[str]]:
    """The features to show, in the order to show them, and what was named and is not here.

    InputError where none are, or two ways of choosing are given.
    """
    ways = {"the features by name": named or None, "--random": random, "--best": best, "--worst": worst}
    given = [way for way, n in ways.items() if n is not None]
    if not given:
        raise InputError("say which features to show: 3 17 20-24, or one of --random N, --best N, --worst N")
    if len(given) > 1:
        clash = f"{', '.join(given[:-1])} and {given[-1]}"
        raise InputError(f"{clash} exclude each other: each says which features to show; give one of them")
    if random is not None:
        return dictionary.drawn(random, run=run), []
    if named:
        return among(named, dictionary.store.indices.tolist(), dictionary.name)
    n = best or worst or 0
    found = dictionary.best(n, worst=worst is not None, run=run)
    if not found:
        whose = f"run {run}" if run else f"'{dictionary.name}'"
        raise InputError(f"no label of {whose} has a headline score yet; labeler label {dictionary.name}")
    return found, []


def about(
    dictionary: Dictionary,
    index: int,
    row: Row | None,
    n: int,
    run: str | None,
    every: Sequence[Sequence[Cell]],
) -> None:
    """All that a person is told of one feature; ``every`` are the scores of all that are shown."""
    from labeler.cli.contexts import STRENGTH, bars, drawn, highlighted

    evidence = dictionary.evidence(index)
    heading(dictionary, evidence, row, run)
    if row is not None and row["scores"]:
        print_table(SCORES, score_cells(row), every)
        for line in beneath(row):
            print_flowing(line)
    for theirs in row["imported"] if row is not None else dictionary.imported(index).get(index, []):
        print_flowing(imported(theirs))
    if row is not None:
        for line in beside(dictionary, row):
            out.print(line, soft_wrap=True)
    for line in neighbourhood(evidence, row):
        print_flowing(line)
    found = bars(evidence.statistics.histogram)
    if found:
        counted = dictionary.store.manifest.sampling == "population"
        out.print()
        for bar in drawn(found, "tokens" if counted else "tokens at hand"):
            out.print(Text(bar, style="dim"), soft_wrap=True)
    strongest = evidence.statistics.max_activation
    shown = evidence.contexts[:n]
    if not evidence.contexts:
        if not is_dead(evidence):
            out.print(Text("no context in which it fires is here", style="dim"))
        return
    if shown:
        out.print()
    for context in shown:
        print_flowing(highlighted(context, strongest), STRENGTH)
    for miss in dictionary.near_misses(index, "explain", 1) if shown else ():
        silent = Text(f"silent  {clean(miss.context.text)}", style="dim")
        print_flowing(silent.append(f"  {NEAR[miss.kind]}"), STRENGTH)


def imported(theirs: dict[str, Any]) -> Text:
    """A label that came with the evidence, who made it, and what it scores where it was scored."""
    line = Text.assemble(("imported ", "dim"), clean(theirs["label"]), (f"  ({clean(theirs['explainer'])})", "dim"))
    if theirs["description"]:
        line.append(f"  {clean(theirs['description'])}")
    for key, score in theirs["scores"].items():
        if key.startswith("simulation"):
            line.append(Text.assemble("  ", (f"{key} ", "dim"), score_text(score)))
    return line


def beneath(row: Mapping[str, Any]) -> Iterator[Text]:
    """What there is to say of a label's scores: how they stand to the look-up, what each rests on, why some are missing."""
    verdict = control(row)
    if verdict:
        yield Text(verdict, style="dim")
    found: dict[tuple[str, str], list[str]] = {}
    for key, score in row["scores"].items():
        if score["state"] != "ok":
            why = _WIDTH.sub(r"\1", score["reason"] or "nobody said why")
            found.setdefault((score["state"], why), []).append(key)
    # The headline's reason comes first, then that of a few scores, then what is true of all the others.
    order = sorted(found.items(), key=lambda one: (row["headline"] not in one[1], len(one[1])))
    last = [state for (state, _), _ in order].count("imprecise") - 1
    at = -1
    for (state, why), keys in order:
        if state == "imprecise":
            at += 1
            others = "" if not last else "the others: " if at == last and len(keys) > 1 else f"{', '.join(keys)}: "
            yield Text.assemble(("~ ", "yellow"), (f"{others}{clean(why)}", "dim"))
        elif state == "unscored":
            yield Text(f"not scored: {clean(why)}", style="yellow")
        else:
            yield Text(f"{', '.join(keys)} {state}: {clean(why)}", style="yellow")
    if any(map(is_by_halves, row["scores"].values())):
        from labeler.catalogue.records import BY_HALVES

        yield Text(f"{HALVES}: {BY_HALVES}", style="dim")
    if "null" in row["controls"]:
        yield Text(f"the null is missing: {clean(row['controls']['null']['failed'])}", style="yellow")


def occurring(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The signs and words of ``MEANINGS`` that are shown of some rows."""
    for row in rows:
        for key, score in row["scores"].items():
            if key.startswith("simulation_top_and_random") and score["low"] is not None:
                yield "[95 %]"
            if score["state"] == "imprecise":
                yield "~"
            yield "n"
            if score["null_percentile"] is not None:
                yield "beats"
            if score["uniform_equivalent_n"] is not None:
                yield "worth"
            if is_by_halves(score):
                yield HALVES
        if row["controls"].get("lookup"):
            yield "look-up"


def is_by_halves(score: Mapping[str, Any]) -> bool:
    """Whether a score is the mean of two."""
    from labeler.catalogue.records import BY_HALVES
    from labeler.metrics import ONE_HALF

    made = score["value"] is not None and not (score["reason"] or "").startswith(ONE_HALF)
    return made and (score["sampling"] or "").endswith(BY_HALVES)


def beside(dictionary: Dictionary, row: Mapping[str, Any]) -> Iterator[Text]:
    """The labels that were not chosen, those that were made of half of the documents, and those of other runs: lines."""
    from labeler.api import considered, labels_of_other_runs

    own = clean(row["label"] or "")
    rivals: dict[str, list[str]] = {}
    halves: dict[int, str] = {}
    for half, label, explainer in considered(dictionary, row):
        if half is not None:
            halves.setdefault(half, "the same" if label and clean(label) == own else clean(label) or "unclear")
        elif not label or clean(label) != own:
            rivals.setdefault(clean(label) or "unclear", []).append(clean(explainer))
    if rivals:
        listing = "; ".join(f"{label} ({', '.join(dict.fromkeys(by))})" for label, by in rivals.items())
        yield Text(f"also considered: {listing}", style="dim")
    if halves:
        listing = "; ".join(f"of half {'AB'[half]}: {label}" for half, label in sorted(halves.items()))
        yield Text(f"made of half of its documents, to be scored on the other: {listing}", style="dim")
    others = labels_of_other_runs(dictionary, row)
    for run, label, explainer in others[:OTHERS]:
        command = f"labeler show {dictionary.name} {row['index']} --run {run}"
        yield Text(f"another label of it: {clean(label)} ({clean(explainer)}); {command}", style="yellow")
    if len(others) > OTHERS:
        yield Text(f"and {len(others) - OTHERS} more labels, of older runs", style="yellow")


def neighbourhood(evidence: Evidence, row: Mapping[str, Any] | None) -> Iterator[Text]:
    """What its weights and its neighbours say: lines.

    Lists of promoted tokens are shown where they tell this dictionary's features apart, and with a caveat where nobody could
    measure it: whoever brought them may know better. Where it was measured that they say nothing, they are not.
    """
    if evidence.promoted and evidence.lists_say is False and (lens := evidence.lens) is not None:
        yield Text(lists_line(lens), style="dim")
    for what, tokens in (("promotes", evidence.promoted), ("suppresses", evidence.suppressed)):
        if tokens and evidence.lists_say is not False:
            caveat = f"  ({NOT_MEASURED})" if evidence.lists_say is None and what == "promotes" else ""
            listing = "  ".join(clean(token).strip() or "␣" for token, _ in tokens)
            yield Text.assemble((f"{what} ", "dim"), listing, (caveat, "dim"))
    if near := close(evidence):
        nearest = ", ".join(f"{other} ({closeness:.2f})" for other, closeness in near)
        yield Text(f"nearest features: {nearest}", style="dim")
    if evidence.near_duplicates:
        yield Text(f"near-duplicates: {listed(evidence.near_duplicates)}", style="dim")
    if row is not None and row["same_label"]:
        yield Text(f"the same label is on its near-duplicates {listed(row['same_label'])}", style="yellow")


def close(evidence: Evidence) -> list[tuple[int, float]]:
    """The nearest features that are near, closest first, with how close they are."""
    return [(other, closeness) for other, closeness in evidence.nearest if closeness >= CLOSE]


def facts(dictionary: Dictionary, index: int, row: Row | None, n: int) -> dict[str, Any]:
    """The same for another program, its contexts whole."""
    from labeler.api import labels_of_other_runs
    from labeler.cli.contexts import bars

    evidence = dictionary.evidence(index)
    says = evidence.lists_say is not False
    return {
        "index": index,
        "row": row,
        "imported": row["imported"] if row is not None else dictionary.imported(index).get(index, []),
        "other_labels": []
        if row is None
        else [
            {"run": run, "label": label, "explainer": explainer}
            for run, label, explainer in labels_of_other_runs(dictionary, row)
        ],
        "contexts": [as_dict(context) for context in evidence.contexts[:n]],
        "histogram": [
            {"low": bar.low, "high": bar.high if isfinite(bar.high) else None, "tokens": bar.tokens}
            for bar in bars(evidence.statistics.histogram)
        ],
        "promoted": evidence.promoted if says else (),
        "suppressed": evidence.suppressed if says else (),
        "lens": None if evidence.lens is None else {**asdict(evidence.lens), "says": evidence.lens.says},
        "nearest": close(evidence),
        "near_misses": [
            {"kind": miss.kind, "weight": miss.weight, **as_dict(miss.context)}
            for miss in dictionary.near_misses(index, "explain", 2)
        ],
    }


def is_dead(evidence: Evidence) -> bool:
    """Whether it is known to be active nowhere, and not only where nobody looked."""
    return evidence.statistics.density == 0


def heading(dictionary: Dictionary, evidence: Evidence, row: Row | None, run: str | None = None) -> None:
    """What it is, in two lines; without a label the command that makes one, where one can be made."""
    statistics, dead = evidence.statistics, is_dead(evidence)
    title = Text(f"{dictionary.name} / {evidence.index}  ", style="bold")
    if row is None and run is not None:
        title.append(f"run {run} has no label of it", style="dim")
    elif row is None and not dead:
        hint = to_label(dictionary, [evidence.index]) or "too few contexts are here to explain it from"
        title.append(f"not labelled yet; {hint}", style="dim")
    elif row is not None and row["label"]:
        title.append(clean(row["label"]), style="bold green")
        title.append(f"  ({clean(whose(dictionary, row))})", style="dim")
    elif dead:
        title.append("dead", style="yellow")
    elif row is not None:
        title.append(row["state"], style="yellow")
        title.append(f"  {clean(row['reason'] or '')}", style="dim")
    print_flowing(title)
    if row is not None and row["description"]:
        print_flowing(Text(clean(row["description"])), 0)
    tokens = f"{statistics.n_tokens:,} tokens" if statistics.n_tokens else "tokens"
    if dead:
        out.print(Text(f"never fired in the {tokens} collected", style="dim"))
        return
    share = "an unknown share" if statistics.density is None else f"{statistics.density:.4%}"
    out.print(Text(f"active on {share} of {tokens}, at most {statistics.max_activation:.1f}", style="dim"))


def whose(dictionary: Dictionary, row: Mapping[str, Any]) -> str:
    """Who made a label, and where it comes from where it was not made here."""
    from labeler.api import source_of

    source = source_of(dictionary, row)
    if source is None:
        return str(row["explainer"])
    where = f"from the file {source[5:]}" if source.startswith("file:") else SOURCES.get(source, f"from {source}")
    return where if row["explainer"] == source else f"{row['explainer']}, {where}"


SOURCES = {"given": "given in Python", "imported": "came with the evidence"}


SCORES = (
    Column("score"),
    Column("value [95 %]"),
    Column("beats", right=True, optional=True),
    Column("n", right=True),
    Column("worth", right=True, optional=True),
)


def score_cells(row: Row) -> list[list[Cell]]:
    """Every score with its interval, its place in the null and what it is worth, in rows of ``SCORES``; the headline first."""
    lines: list[list[Cell]] = []
    for key, score in row["scores"].items():
        beats = "" if score["null_percentile"] is None else f"{score['null_percentile']:.0f} %"
        worth = "" if score["uniform_equivalent_n"] is None else f"{score['uniform_equivalent_n']:,.0f}"
        name = Text(key, style="bold" if key == row["headline"] else "")
        lines.append([name, score_text(score), beats, f"{score['n_contexts']:,}", worth])
    return lines


def listed(indices: Sequence[int]) -> str:
    """Some features, and how many more there are."""
    more = f" and {len(indices) - MANY} more" if len(indices) > MANY else ""
    return ", ".join(map(str, indices[:MANY])) + more


def control(row: Mapping[str, Any]) -> str:
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
