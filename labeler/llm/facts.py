"""What settings say of models: one file of everything, and the older ways of saying prices and limits alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from labeler.errors import InputError
from labeler.llm.aliases import known_of
from labeler.llm.endpoints import address
from labeler.llm.entries import Entry, Rates, read_entries
from labeler.llm.limits import parse_limits
from labeler.llm.names import LLMName
from labeler.llm.prices import Prices, price_of
from labeler.llm.protocol import Limits, Window
from labeler.settings import Settings


@dataclass(frozen=True)
class Facts:
    """What is said of all models. ``LABELER_MODELS`` goes before ``LABELER_PRICES`` and ``LABELER_LIMITS``."""

    prices: Prices
    entries: Mapping[str, Entry] = field(default_factory=dict)
    _limits: Mapping[str, Limits] = field(default_factory=dict)
    _gateways: Mapping[str, str] = field(default_factory=dict)
    """Where a provider's models are asked whose names do not say it."""

    def of(self, name: LLMName, base_url: str | None = None) -> Entry:
        """What is said of a model at a server, else of the model wherever it is asked; see ``aliases``."""
        return known_of(_known_as(name, base_url), self.entries) or Entry()

    def limits(self, name: str) -> Limits | None:
        """What a model's provider allows: of a model at a server, else wherever it is asked, else of all at a provider."""
        parsed = LLMName.parse(name)
        names = _known_as(parsed, parsed.base_url or self._gateways.get(parsed.provider))
        return known_of(names, self._limits) or self._limits.get(parsed.provider)


def _known_as(name: LLMName, base_url: str | None) -> tuple[str, str]:
    """What users call a model: with the server that it is asked at, and without."""
    model = f"{name.provider}:{name.model}"
    return f"{model}@{address(name, base_url).base_url}", model


def load_facts(settings: Settings) -> Facts:
    """Raises InputError, in one line, for a malformed setting or file, and for a key of the settings in a body."""
    entries, rates, limits = read_models(settings), read_prices(settings), read_limits(settings)
    rates |= {name: entry.prices for name, entry in entries.items() if entry.prices is not None}
    limits |= {name: _limits_of(entry) for name, entry in entries.items() if entry.limits is not None}
    gateways = {"openai": settings.openai_base_url} if settings.openai_base_url else {}
    return Facts(Prices({name: price_of(one) for name, one in rates.items()}), entries, limits, gateways)


def read_models(settings: Settings) -> dict[str, Entry]:
    """What LABELER_MODELS says; see ``load_facts``."""
    entries = read_entries(settings.named("models"), settings.models, Entry) if settings.models is not None else {}
    _check_keys(entries, settings)
    return entries


def read_prices(settings: Settings) -> dict[str, Rates]:
    """What LABELER_PRICES says; see ``load_facts``."""
    return read_entries(settings.named("prices"), settings.prices, Rates) if settings.prices is not None else {}


def read_limits(settings: Settings) -> dict[str, Limits]:
    """What LABELER_LIMITS says; see ``load_facts``."""
    return {name.rstrip("/"): found for name, found in parse_limits(settings.limits, settings.named("limits")).items()}


def _limits_of(entry: Entry) -> Limits:
    given = entry.limits.model_dump(exclude_none=True) if entry.limits is not None else {}
    return Limits(**{kind: Window(limit=limit) for kind, limit in given.items()})


def _check_keys(entries: Mapping[str, Entry], settings: Settings) -> None:
    for name, entry in entries.items():
        written = json.dumps(entry.extra_body)
        if any(key in written for key in _keys(settings)):
            raise InputError(
                f"{settings.named('models')}: '{settings.models}': {ascii(name)[:80]}, extra_body: it holds a key"
            )


def _keys(settings: Settings) -> Iterator[str]:
    for secret in (settings.anthropic_api_key, settings.openai_api_key, settings.api_keys):
        for part in (secret or SecretStr("")).get_secret_value().split(","):
            key = part.rpartition("=")[2].strip()
            if len(key) >= 8:
                yield key
