"""How an explainer or a simulator is named: ``METHOD``, ``METHOD=LLM``, or just an LLM."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from labeler.errors import InputError
from labeler.llm.names import with_provider
from labeler.nearest import meant


@dataclass(frozen=True)
class Method:
    """A way of doing, and the language model that does it, where it needs one."""

    name: str
    llm: str | None

    @property
    def source(self) -> str:
        """What stands in a catalogue: ``lexical``, or the LLM's name where the method is the usual one."""
        return self.llm or self.name


def parse_method(text: str, kind: str, known: Collection[str], usual: str, asking: Collection[str]) -> Method:
    """Take a name apart: ``known`` methods of a ``kind``, of which ``asking`` need an LLM and ``usual`` goes unnamed.

    Raises InputError for an unknown method, a method without the LLM it needs, or one that has no use for one.
    """
    head, equals, tail = text.partition("=")
    if equals and ":" not in head:
        name, llm = head, tail
    elif text in known:
        name, llm = text, ""
    elif ":" in text:
        name, llm = usual, text
    else:
        # A model's name may read like a method's: whose model it is says more than how it is spelt.
        guessed = f" (did you mean '{full}'?)" if (full := with_provider(text)) else meant(text, known)
        raise InputError(
            f"unknown {kind} '{text}'; known: {', '.join(known)}, or an LLM such as anthropic:claude-haiku-5-5{guessed}"
        )
    if name not in known:
        raise InputError(f"unknown {kind} '{name}' in '{text}'; known: {', '.join(known)}{meant(name, known)}")
    if name in asking and not llm:
        raise InputError(f"{kind} '{name}' needs a language model: {name}=provider:model")
    if name not in asking and llm:
        raise InputError(f"{kind} '{name}' asks no language model; leave out '={llm}'")
    return Method(name, llm or None)
