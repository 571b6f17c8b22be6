"""``labeler score``"""

from __future__ import annotations

from typing import Annotated

import typer

from labeler.arguments import amount
from labeler.cli.options import (
    BATCH,
    BUDGET,
    CONTEXTS,
    DETACH,
    FEATURES,
    FOREIGN,
    JSON,
    OFFLINE,
    PRECISION,
    PROMPT,
    SCORER,
    SEED,
    SIMULATOR,
    check_detach,
    mode_of,
    read_prompts,
)
from labeler.cli.running import begin
from labeler.options import Options


def score(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    labels: Annotated[
        str | None,
        typer.Option(
            help="Labels from elsewhere: 'imported' (they came with the evidence), or a file: JSON or a table (, ; tab) with "
            "a feature's index and its label in each row, or Neuronpedia's explanations; the catalogue's own otherwise. "
            "Several for one feature are chosen between."
        ),
    ] = None,
    features: FEATURES = None,
    simulator: SIMULATOR = None,
    scorer: SCORER = None,
    contexts: CONTEXTS = Options.contexts,
    precision: PRECISION = Options.precision,
    foreign: FOREIGN = Options.foreign,
    seed: SEED = Options.seed,
    budget: BUDGET = None,
    batch: BATCH = False,
    offline: OFFLINE = False,
    prompt: PROMPT = None,
    output_labels: Annotated[
        bool,
        typer.Option(
            "--output-labels", help="Score labels, too, that say what a feature promotes, not what makes it fire."
        ),
    ] = False,
    detach: DETACH = False,
    json: JSON = False,
) -> None:
    """Score labels that are there already, the catalogue's or a file's, without explaining again.

    A label of the catalogue keeps the scores that are not made anew. With only --scorer given, nothing is simulated.
    """
    from labeler import api

    dictionary = api.open(name)
    check_detach(detach)
    run = dictionary.score(
        labels,
        features=features,
        simulators=simulator,
        scorers=scorer or Options.scorers,
        contexts=contexts,
        precision=precision,
        foreign=foreign,
        seed=seed,
        mode=mode_of(batch, offline),
        budget=amount(budget, "--budget"),
        prompts=read_prompts(prompt),
        output_labels=output_labels,
    )
    begin(run, detach, json)
