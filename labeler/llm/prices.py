"""What is known of models: their prices, limits and other facts, from the user's files and from ``genai-prices``.

Files of the user are JSON whose entries have types; an error in them is one line that names the place.

Nothing is asked of any network.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator

from labeler.errors import InputError
from labeler.llm.endpoints import address, known_of
from labeler.llm.error_bodies import parsed
from labeler.llm.names import LLMName, Origin
from labeler.llm.protocol import Limits, Usage, Window
from labeler.llm.rate_limits import parse_limits
from labeler.settings import Settings

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_OURS = {
    *("model", "messages", "prompt", "system", "stream", "stream_options", "response_format", "output_config"),
    *("n", "best_of", "num_return_sequences", "candidate_count", "max_tokens", "max_length", "tools", "tool_choice"),
    *("functions", "logprobs", "echo"),
}
"""What a call is made of by the product itself."""
_LIMITS = {
    *("max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_generated_tokens", "max_gen_len"),
    *("num_predict", "n_predict", "max_tokens_to_sample"),
}
"""What limits an answer, at any depth: budgets know the product's own limit only. (A ``max_tokens`` within another field is
one of a part.)"""
_SECRET_NAME = re.compile(
    r"^key$|^token$|(?:^|[-_])id[-_]?token$|(?:api|access|private|secret|auth|account|subscription)[-_]?keys?(?:$|[-_])"
    r"|(?:auth|access|api|bearer|refresh|session|security|hf|hub)[-_]?tokens?$"
    r"|secret|passw|authori[sz]ation|credential|bearer|cookie",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\bsk-(?=[\w-]*[\d*])[\w*-]{6,}|\bbearer\s+\S|\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}|\beyJ[\w-]{10,}\.[\w-]{10,}"
    r"|\b(?:gh[pousr]|github_pat|gsk|hf|xai|pk|rk|r8|nvapi|pplx|csk|fw|glpat|xox[abp])[-_](?=[\w-]*\d)[\w-]{16,}"
    r"|\b(?-i:(?=[A-Za-z]*\d)(?=[\da-z]*[A-Z])(?=[\dA-Z]*[a-z])[A-Za-z\d]{24,})\b",
    re.IGNORECASE,
)
"""How keys of providers begin, and what else nobody would write as a word: letters of both cases and digits in a row."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Rates(_Strict):
    """US dollars for a million tokens; what is cached or written costs as much as input where it is left out."""

    input: Amount
    cached: Amount | None = None
    written: Amount | None = None
    output: Amount


class Allowed(_Strict):
    """What a provider allows a minute; what is left out has no limit."""

    requests: Positive | None = None
    input_tokens: Positive | None = None
    output_tokens: Positive | None = None


class Entry(_Strict):
    """What a user says of one model."""

    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Fields that go into the body of every call: nothing secret, for bodies are kept and shown."""
    limits: Allowed | None = None
    prices: Rates | None = None
    context: Annotated[int, Field(ge=256)] | None = None
    """The tokens that it takes in and writes at once."""

    @field_validator("extra_body")
    @classmethod
    def _is_public(cls, value: dict[str, Any]) -> dict[str, Any]:
        leaves = list(_leaves(value))
        ours = [name for name in value if _plain(name) in _OURS]
        ours += [name for path, _ in leaves for name in path if _plain(name) in _LIMITS]
        if ours:
            raise ValueError(f"{ascii(ours[0])[:80]} is set by labeler itself")
        for path, text in leaves:
            if not isinstance(text, str):
                continue
            if _SECRET.search(text) or any(_SECRET_NAME.search(name) for name in path):
                raise ValueError(
                    f"{ascii('.'.join(path))[:80]} looks like a secret, and bodies are kept and shown; "
                    "keys belong in LABELER_API_KEYS"
                )
        return value


E = TypeVar("E", bound=BaseModel)


def read_entries(setting: str, path: Path, kind: type[E]) -> dict[str, E]:
    """The entries of a JSON file that a setting names, by model: ``provider:model``, with or without a base url.

    Of the kind ``Entry``, a bare provider may have limits, and nothing else. Raises InputError, in one line that names
    the setting, the file and the place in it, and repeats no value.
    """
    try:
        found = TypeAdapter(dict[str, kind]).validate_python(parsed(path.read_bytes()))  # type: ignore[valid-type]
        return {_name(written, entry): entry for written, entry in found.items()}
    except OSError as error:
        raise InputError(f"{setting}: cannot read '{path}': {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ", ".join(ascii(step)[:80] for step in first["loc"])
        raise InputError(f"{setting}: '{path}': {where}{': ' if where else ''}{first['msg']}") from None
    except (InputError, ValueError) as error:
        raise InputError(f"{setting}: '{path}': {error}") from None


def canonical(extra_body: Mapping[str, object]) -> str:
    """The fields as part of a question's key; empty where there are none."""
    return json.dumps(extra_body, sort_keys=True, separators=(",", ":")) if extra_body else ""


def _name(written: str, entry: BaseModel) -> str:
    if ":" in written or not isinstance(entry, Entry):
        return str(LLMName.parse(written)).rstrip("/")
    provider = LLMName.parse(f"{written}:any").provider
    if entry.model_fields_set - {"limits"}:
        raise InputError(f"{ascii(written)[:80]} is a whole provider, of which only limits can be said")
    return provider


def _plain(name: str) -> str:
    """A name in small letters, with its words parted by underscores."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()


def _leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """The values within a value, each with the names that lead to it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


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
