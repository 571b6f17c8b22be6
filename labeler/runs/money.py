"""What has to be known of money before a run begins."""

from __future__ import annotations

from pydantic import SecretStr

from labeler.errors import InputError
from labeler.explainers import parse_explainer
from labeler.llm.names import is_hosted
from labeler.llm.protocol import Request
from labeler.runs.bench import Backends
from labeler.runs.config import RunConfig
from labeler.scorers import parse_scorer
from labeler.settings import Settings
from labeler.simulators import parse_simulator


def hosted(config: RunConfig) -> list[str]:
    """The models of a run that run elsewhere, each once."""
    methods = [
        *map(parse_explainer, config.explains_with),
        *map(parse_simulator, config.simulators),
        *map(parse_scorer, config.scorers),
    ]
    return list(dict.fromkeys(method.llm for method in methods if method.llm and is_hosted(method.llm)))


def check_prices(config: RunConfig, backends: Backends) -> None:
    """InputError where a budget is to be kept and nobody knows what a model costs."""
    if config.mode == "offline":
        raise InputError("a budget cannot be kept for answers that others get; leave out `budget`, or `mode='offline'`")
    for name in hosted(config):
        if backends(name).bound(Request(prompt="")).usd is None:
            raise InputError(f"a budget needs the price of {name}, which is not known; put it in LABELER_PRICES")


def keyless(settings: Settings) -> Settings:
    """The same settings for looking at requests that are not sent: a missing key is no reason not to."""
    unset = [name for name in ("anthropic_api_key", "openai_api_key") if getattr(settings, name) is None]
    return settings.model_copy(update=dict.fromkeys(unset, SecretStr("no-key-is-used")))
