"""``labeler report``"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labeler.cli.display import Column, by_kind, counted, dollars, out, print_json, print_table
from labeler.cli.options import JSON, OF_RUN
from labeler.cli.running import KINDS, mean, missing, of_how_many, why_in_none, with_scarce
from labeler.printable import clean

if TYPE_CHECKING:
    from labeler.api import Spent
    from labeler.catalogue.report import Headline, Report, Share

DENSITY = (Column("active on", right=True), Column("features", right=True), Column("mean [95 %]", right=True))
SCORES = (
    Column("score"),
    Column("features", right=True),
    Column("in the mean", right=True),
    Column("mean [95 %]", right=True),
    Column("in no mean", sentences=True),
)


def report(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    run: OF_RUN = None,
    json: JSON = False,
) -> None:
    """The dictionary as a whole: states, mean scores with 95 % intervals, by density, against look-up and null, cost.

    An undefined score counts as 0 in a mean, and how many do is said.
    """
    from labeler import api

    dictionary = api.open(name)
    of = None if run is None else dictionary.run(run).id
    found, spent = dictionary.report(of), dictionary.spent(of)
    if json:
        print_json({"dictionary": name, "run": of, **asdict(found), "cost": asdict(spent)})
        return
    if not found.n:
        line(f"nothing is labelled yet; labeler label {name}" if of is None else f"run {of} has labelled nothing yet")
        return
    states = ", ".join(f"{n:,} {state}" for state, n in sorted(found.states.items(), key=lambda item: -item[1]))
    line(f"{name}{'' if of is None else f', run {of}'}: {counted(found.n, 'feature')}, {states}")
    if found.failures:
        line(f"failed: {by_kind(found.failures)}")
    for headline in found.headlines:
        about(headline)
    if found.n_without_score:
        line(f"{counted(found.n_without_score, 'labelled feature')} without a headline score")
    if found.scores:
        print_table(SCORES, means(found))
    if why := lacking(found):
        line(why)
    if found.near_duplicates:
        line(
            f"{found.same_label:,} of {found.near_duplicates:,} labels with near-duplicates are shared with one of them"
        )
    line(cost(spent))


def about(headline: Headline) -> None:
    """The features of one headline: mean, what is in it and what is not, controls, and how the score goes with density."""
    states = ", ".join(f"{n:,} {state}" for state, n in sorted(headline.states.items(), key=lambda item: -item[1]))
    out.print()
    line(f"headline {headline.key}{KINDS[headline.kind]}: {of_how_many(headline)}")
    if why := why_in_none(headline):
        line(f"  in no mean: {why}")
    if every := with_scarce(headline):
        line(f"  {every}")
    line(f"  {states}")
    if headline.beats_lookup.n:
        line(
            f"  of {headline.beats_lookup.n:,} that can be compared with a look-up of tokens: "
            f"{percent(headline.beats_lookup)} do clearly better, {headline.worse_than_lookup.share:.1%} worse"
        )
    if headline.above_null.n:
        line(
            f"  of {headline.above_null.n:,} that have a place among other features' labels: "
            f"{percent(headline.above_null)} are above 95 % of these"
        )
    if headline.deciles:
        print_table(DENSITY, by_density(headline))


def by_density(headline: Headline) -> list[list[str]]:
    """Mean scores by tenths of the features, the rarest first."""
    return [
        [f"{low:.4%} to {high:.4%}", f"{decile.score.n:,}", mean(decile.score)]
        for decile in headline.deciles
        for low, high in [decile.density]
    ]


def means(found: Report) -> list[list[str]]:
    """The mean of every score, and what is in none."""
    return [
        [each.key + KINDS[each.kind], f"{each.n:,}", f"{each.score.n:,}", mean(each.score), why_in_none(each)]
        for each in found.scores
    ]


def lacking(found: Report) -> str:
    """Why some means of the tables have no interval; nothing where all have one."""
    from labeler.metrics import LEAST

    averages = [each.score for each in found.scores]
    averages += [tenth.score for headline in found.headlines for tenth in headline.deciles]
    if not any(map(missing, averages)):
        return ""
    return f"a mean of fewer than {LEAST} features has no interval: it would say nothing"


def percent(share: Share) -> str:
    """A share with its interval."""
    return f"{share.share:.1%} [{share.low:.1%} {share.high:.1%}]"


def cost(spent: Spent) -> str:
    """What all runs of the dictionary took."""
    text = f"{spent.runs:,} {'run' if spent.runs == 1 else 'runs'}: {dollars(spent.usd)} for {spent.calls:,} calls"
    text += f", {spent.input_tokens:,} tokens in ({spent.cached_tokens:,} cached), {spent.output_tokens:,} out"
    if spent.unpriced_calls:
        text += f"; {spent.unpriced_calls:,} calls of unknown price"
    if spent.unknown_calls:
        text += f"; {spent.unknown_calls:,} calls of unknown outcome, at most {dollars(spent.unknown_usd)}"
    return text


def line(text: str) -> None:
    """A line of others' words and ours."""
    out.print(clean(text), highlight=False, markup=False, soft_wrap=True)
