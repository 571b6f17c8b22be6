"""``labeler prompt``"""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import typer

from labeler.cli.display import out, print_json
from labeler.cli.options import CONTEXTS, ESCALATE, EXPLAINER, JSON, PROMPT, SCORER, SEED, SIMULATOR, read_prompts
from labeler.errors import InputError
from labeler.llm.cost_bounds import text_of
from labeler.options import Options
from labeler.printable import clean


def prompt(
    name: Annotated[str, typer.Argument(help="The dictionary, as `labeler dictionaries` lists it.")],
    index: Annotated[int, typer.Argument(help="The feature.")],
    stage: Annotated[str, typer.Option(help="explain, simulate or judge.")] = "explain",
    explainer: EXPLAINER = None,
    simulator: SIMULATOR = None,
    scorer: SCORER = None,
    label: Annotated[
        str | None, typer.Option(help="What is simulated or judged; the catalogue's label otherwise.")
    ] = None,
    contexts: CONTEXTS = Options.contexts,
    seed: SEED = Options.seed,
    escalate: ESCALATE = None,
    prompt: PROMPT = None,
    json: JSON = False,
) -> None:
    """Show the exact requests that would be sent about a feature; nothing is sent, and no key is needed."""
    from labeler import api
    from labeler.models.counting import counted_by
    from labeler.pipeline.dry_run import STAGES
    from labeler.pipeline.plan import tokens_of

    if stage not in STAGES:
        raise InputError(f"there is no stage '{stage}'; name one of {', '.join(STAGES)}")
    requests = api.open(name).requests(
        index,
        stage,
        label=label,
        explainers=explainer or [USUAL],
        simulators=simulator or [USUAL],
        scorers=scorer or [USUAL],
        contexts=contexts,
        seed=seed,
        escalate=escalate,
        prompts=read_prompts(prompt),
    )
    if json:
        print_json([{"backend": one.backend, "prompt": one.prompt, "body": dict(one.body)} for one in requests])
        return
    for number, one in enumerate(requests, start=1):
        tokens = f"{tokens_of(one):,} tokens by {counted_by()}"
        say(f"# request {number} of {len(requests)} to {one.backend}, prompt {one.prompt}, {tokens}")
        rest = dict(one.body)
        for role, text in turns(rest):
            say(f"--- {role}")
            for line in text.splitlines():
                say(line)
        say("--- and")
        say(jsonlib.dumps(rest, ensure_ascii=False))


def turns(body: dict[str, Any]) -> list[tuple[str, str]]:
    """What stands in a request for the model to read, by who says it; it is taken out of the body."""
    system, messages = body.pop("system", ""), body.pop("messages", [])
    found = [("system", text_of(system))] if system else []
    return found + [(str(message["role"]), text_of(message["content"])) for message in messages]


def say(line: str) -> None:
    """A line of others' text on the terminal."""
    out.print(clean(line), highlight=False, markup=False, soft_wrap=True)


USUAL = "anthropic:claude-haiku-5-5"
"""The model that requests are shown for where none is named."""
