"""``labeler label``"""

from __future__ import annotations

from typing import Annotated

import typer

from labeler.arguments import amount
from labeler.cli.display import tell
from labeler.cli.options import (
    BATCH,
    BELOW,
    BUDGET,
    CONTEXTS,
    DETACH,
    ESCALATE,
    EXPLAINER,
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


def label(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    features: FEATURES = None,
    explainer: EXPLAINER = None,
    simulator: SIMULATOR = None,
    scorer: SCORER = None,
    contexts: CONTEXTS = Options.contexts,
    precision: PRECISION = Options.precision,
    foreign: FOREIGN = Options.foreign,
    seed: SEED = Options.seed,
    escalate: ESCALATE = None,
    below: BELOW = Options.below,
    budget: BUDGET = None,
    batch: BATCH = False,
    offline: OFFLINE = False,
    prompt: PROMPT = None,
    detach: DETACH = False,
    json: JSON = False,
) -> None:
    """Explain features, choose between explanations, score them, and store the labels."""
    from labeler import api

    dictionary = api.open(name)
    check_detach(detach)
    run = dictionary.label(
        features,
        explainers=explainer or Options.explainers,
        simulators=simulator or Options.simulators,
        scorers=scorer or Options.scorers,
        contexts=contexts,
        precision=precision,
        foreign=foreign,
        seed=seed,
        mode=mode_of(batch, offline),
        budget=amount(budget, "--budget"),
        escalate=escalate,
        below=below,
        prompts=read_prompts(prompt),
    )
    if not explainer:
        tell(
            f"explained by {', '.join(Options.explainers)}, for no --explainer was given: it asks no model and costs nothing; "
            "an LLM such as anthropic:MODEL says more than a list of words"
        )
    begin(run, detach, json)
