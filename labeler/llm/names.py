"""Names of language models, ``provider:model`` or ``provider:model@base_url``, and the backends they open."""

from __future__ import annotations

import importlib
import ipaddress
import re
from dataclasses import dataclass

from labeler.errors import InputError
from labeler.llm.protocol import Backend
from labeler.nearest import meant
from labeler.settings import Settings

# Read by one strict pattern and not by a lenient parser: what decides where a key may go must not be able to disagree
# with the HTTP client about what the host is.
_PATTERN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/[a-z0-9._~:!$&'()*+,;=%/-]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Origin:
    """A server: lower-case scheme and host (an IPv6 address in its brackets), and the port, given or usual."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, base_url: str, what: str = "a base url") -> Origin:
        """Raises InputError for anything but ``http(s)://host[:port]/path``; the message does not repeat the url,
        for it may hold a password."""
        match = _PATTERN.fullmatch(base_url)
        if match is None:
            raise InputError(
                f"{what} must be http(s)://host[:port]/path, without user, password or query "
                "(keys of servers go in LABELER_API_KEYS)"
            )
        scheme = match["scheme"].lower()
        return cls(scheme, match["host"].lower(), int(match["port"] or {"http": 80, "https": 443}[scheme]))

    @property
    def loopback(self) -> bool:
        """Whether this is a server on this machine, where nobody is paid."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(self.host.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified


_OPENERS = {
    "anthropic": "labeler.llm.providers.anthropic_batches:open_anthropic",
    "openai": "labeler.llm.providers.openai_batches:open_openai",
    "local": "labeler.llm.providers.local:open_local",
    "recorded": "labeler.llm.providers.offline:open_recorded",
}
_WITHOUT_SERVER = ("local", "recorded")

_BASE_URL = re.compile(r"@(?=https?://)", re.IGNORECASE)


@dataclass(frozen=True)
class LLMName:
    """A language model, taken apart; ``str()`` puts it together as the user wrote it."""

    provider: str
    model: str
    base_url: str | None = None

    @classmethod
    def parse(cls, text: str) -> LLMName:
        """A model's own name may hold ``:``, ``/`` and ``@``; a base url begins at the first ``@http(s)://``.

        Raises InputError for another form, an unknown provider, or a base url that holds a password.
        """
        written, *base_urls = _BASE_URL.split(text.strip(), maxsplit=1)
        provider, colon, model = written.partition(":")
        shown, known = ascii(written[:80]), ", ".join(_OPENERS)
        if not colon:
            guessed = f" (did you mean '{full}'?)" if (full := with_provider(written[:80])) else ""
            raise InputError(
                f"{shown} is not a language model's name; write provider:model, where provider is {known}{guessed}"
            )
        if provider not in _OPENERS:
            raise InputError(
                f"unknown provider {provider[:80]!a} of a language model; known: {known}{meant(provider[:80], _OPENERS)}"
            )
        if not model.strip() or not model.isprintable():
            raise InputError(f"{shown} names no model; write {provider}:model")
        if not base_urls:
            return cls(provider, model)
        if provider in _WITHOUT_SERVER:
            raise InputError(f"{shown} runs in this process and takes no base url; for a server write openai:model@url")
        Origin.of(base_urls[0], f"the base url of {shown}")
        return cls(provider, model, base_urls[0])

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}" + (f"@{self.base_url}" if self.base_url else "")


_OWN_MODELS = {
    "anthropic": re.compile(r"claude-[\w.-]+", re.ASCII),
    "openai": re.compile(r"(?:gpt|chatgpt|o\d)-?[\w.-]*", re.ASCII),
    "local": re.compile(r"smollm2-[\w.-]+", re.ASCII | re.IGNORECASE),
}
"""How the models of a provider are called that are asked for most."""


def with_provider(model: str) -> str | None:
    """The full name of a model that was named without its provider, where its name tells whose it is."""
    return next((f"{provider}:{model}" for provider, own in _OWN_MODELS.items() if own.fullmatch(model)), None)


def is_hosted(name: str) -> bool:
    """Whether a model is somebody else's to run: asked over the network, in files, or beforehand.

    InputError for a malformed name.
    """
    return LLMName.parse(name).provider != "local"


def open_backend(name: str, settings: Settings) -> Backend:
    """The backend that a name means; close it when done.

    Raises InputError for a malformed name, an unknown provider, a key that is missing, or a malformed file of prices.
    """
    parsed = LLMName.parse(name)
    module, opener = _OPENERS[parsed.provider].split(":")
    # Imported here, so that nobody waits for the SDK (or the torch) of a provider that was not asked for.
    backend: Backend = getattr(importlib.import_module(module), opener)(parsed, settings)
    return backend
