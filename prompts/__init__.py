"""Every prompt as a template file, versioned by its content."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template


@dataclass(frozen=True, eq=False)
class Prompt:
    """A template; a line ``---`` alone parts what stands before every question from the question itself."""

    name: str
    version: str
    """The first 10 hexadecimal digits of the SHA-256 of its file."""
    _system: Template | None
    _user: Template

    @property
    def source(self) -> str:
        """``name@version``, as a catalogue records it."""
        return f"{self.name}@{self.version}"

    def system(self) -> str:
        """The static part; empty where there is none. It takes no variables, so that providers can cache it."""
        return self._system.render() if self._system else ""

    def render(self, **values: object) -> str:
        """The question; a variable that is not given is an error."""
        return self._user.render(**values)


@functools.lru_cache
def load_prompt(name: str) -> Prompt:
    """Read ``prompts/{name}.j2``; its version is its content's."""
    text = files("prompts").joinpath(f"{name}.j2").read_text(encoding="utf-8")
    # Nothing is escaped: a prompt is plain text, and what it quotes is fenced by its template.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
    system, parted, user = text.rpartition("\n---\n")
    return Prompt(
        name=name,
        version=hashlib.sha256(text.encode()).hexdigest()[:10],
        _system=environment.from_string(system) if parted else None,
        _user=environment.from_string(user),
    )
