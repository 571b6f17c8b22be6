"""Names of language models, ``provider:model`` or ``provider:model@base_url``, and the backends they open."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass

from labeler.errors import InputError
from labeler.llm.protocol import Backend
from labeler.llm.urls import Origin
from labeler.settings import Settings

_OPENERS = {
    "anthropic": "labeler.llm.anthropic_batches:open_anthropic",
    "openai": "labeler.llm.openai_batches:open_openai",
    "local": "labeler.llm.local:open_local",
    "recorded": "labeler.llm.recorded:open_recorded",
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
            raise InputError(f"{shown} is not a language model's name; write provider:model, where provider is {known}")
        if provider not in _OPENERS:
            raise InputError(f"unknown provider {provider[:80]!a} of a language model; known: {known}")
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
