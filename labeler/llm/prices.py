"""What a call costs: by the user's own prices, else by those that the package ``genai-prices`` ships.

Nothing is asked of any network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

from labeler.llm.aliases import known_of
from labeler.llm.entries import Rates
from labeler.llm.names import LLMName
from labeler.llm.protocol import Usage
from labeler.llm.urls import Origin

BATCH_SHARE = 0.5
"""What providers take for a request in a batch, of its ordinary price."""

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    cached: float
    """Read from the provider's cache."""
    written: float
    """Put into it."""
    output: float

    def of(self, usage: Usage, written: int) -> float:
        """What a call costs."""
        fresh = max(0, usage.input_tokens - usage.cached_tokens - written)
        return (
            self.input * fresh
            + self.cached * usage.cached_tokens
            + self.written * written
            + self.output * usage.output_tokens
        ) / MILLION


class Prices:
    """The prices of all models, of single calls; the user's own go before all others."""

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        """``own`` is by full name, or by ``provider:model`` for that model wherever it is asked; see ``aliases``."""
        self._own = own or {}

    def __call__(self, name: LLMName, usage: Usage, *, base_url: str | None = None, written: int = 0) -> float | None:
        """US dollars for a call's tokens; None where the price is unknown, 0.0 where nobody is paid.

        ``base_url`` is the server's where it is not the provider's own; ``written`` are those of the input tokens that
        the provider put into its cache.
        """
        model = f"{name.provider}:{name.model}"
        server = base_url or name.base_url
        names = [f"{model}@{server}".rstrip("/"), model] if server else [model]
        own = known_of(names, self._own) if self._own else None
        if own is not None:
            return own.of(usage, written)
        return price(name.provider, name.model, usage, base_url=base_url, cache_write_tokens=written)

    def most(self, name: LLMName, usage: Usage, *, base_url: str | None = None) -> float | None:
        """The most that so many tokens can cost: with all of the input as it is dearest."""
        cached = dataclasses.replace(usage, cached_tokens=usage.input_tokens)
        found = [
            self(name, usage, base_url=base_url),
            self(name, usage, base_url=base_url, written=usage.input_tokens),
            self(name, cached, base_url=base_url),
        ]
        return max((usd for usd in found if usd is not None), default=None)


def price_of(rates: Rates) -> Price:
    """A price as the user wrote it; ``cached`` and ``written`` are as ``input`` where they are left out."""
    cached = rates.input if rates.cached is None else rates.cached
    written = rates.input if rates.written is None else rates.written
    return Price(input=rates.input, cached=cached, written=written, output=rates.output)


def price(
    provider: str, model: str, usage: Usage, *, base_url: str | None = None, cache_write_tokens: int = 0
) -> float | None:
    """US dollars for a call's tokens; None where the price is unknown, 0.0 where nobody is paid.

    ``base_url`` is the server's where it is not the provider's own. ``cache_write_tokens`` are those of the input
    tokens that the provider put into its cache: Anthropic takes a quarter more for them, so the worst case of a call
    to it has all of its input there. Prices are those of single calls, not of batches.
    """
    if provider in ("local", "recorded") or (base_url is not None and Origin.of(base_url).loopback):
        return 0.0
    # Imported here: its table takes most of a second, and `labeler --help` needs no prices.
    import genai_prices

    try:
        tokens = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens or None,
            cache_write_tokens=cache_write_tokens or None,
            output_tokens=usage.output_tokens,
        )
        if base_url is None:
            found = genai_prices.calc_price(tokens, model, provider_id=provider)
        else:
            found = genai_prices.calc_price(tokens, model, provider_api_url=base_url)
    except (LookupError, ValueError):  # an unknown model or server; counts that contradict each other
        return None
    return float(found.total_price)


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """The prices that the package ``genai-prices`` brings."""

    models: int
    providers: int
    version: str
    newest: date | None
    """The last day on which one of them changed, as far as they have dates: how fresh the table is."""


def shipped_prices(today: date) -> Shipped:
    """How many prices are known without any of the user's own; those that are to come do not count as new."""
    from genai_prices.data import providers

    changes = (
        getattr(price.constraint, "start_date", None)
        for provider in providers
        for model in provider.models
        if isinstance(model.prices, list)
        for price in model.prices
    )
    return Shipped(
        models=sum(len(provider.models) for provider in providers),
        providers=len(providers),
        version=version("genai-prices"),
        newest=max((day for day in changes if isinstance(day, date) and day <= today), default=None),
    )
