"""Every prompt as a template file, versioned by its content."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment

from labeler.errors import InputError


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
        """The question. InputError, in one line, where the template fails on what it is given."""
        try:
            return self._user.render(**values)
        except Exception as error:  # a template can do whatever an expression can
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(f"prompt '{self.name}' cannot be filled in: {said}") from error


Load = Callable[[str], Prompt]
"""Gives a prompt by its name."""


@functools.lru_cache
def load_prompt(name: str) -> Prompt:
    """Read ``prompts/{name}.j2``; its version is its content's."""
    return make_prompt(name, _text(name))


def names() -> list[str]:
    """The prompts that there are."""
    return sorted(
        file.name.removesuffix(".j2") for file in files("labeler.prompts").iterdir() if file.name.endswith(".j2")
    )


def custom_prompt(name: str, text: str) -> Prompt:
    """A user's template in the place of a shipped one.

    Raises InputError, in one line, where there is no prompt of that name, or the template cannot be read or does not
    use what the shipped one is given.
    """
    if name not in names():
        raise InputError(f"there is no prompt '{name}' to replace; there are {', '.join(names())}")
    try:
        system, _, user = text.rpartition("\n---\n")
        used, given = _variables(user), _variables(_text(name))
        static = _variables(system)
        make_prompt(name, text)
    except TemplateSyntaxError as error:
        raise InputError(f"prompt '{name}', line {error.lineno}: {error.message}") from None
    if static:
        raise InputError(f"prompt '{name}' uses {listed(static)} above its line ---, where it is the same for all")
    if used - given:
        raise InputError(f"prompt '{name}' uses {listed(used - given)}, but is given {listed(given)}")
    if given and not used:
        raise InputError(f"prompt '{name}' shows nothing of what it is about; it is given {listed(given)}")
    return make_prompt(name, text)


def listed(names: Iterable[str]) -> str:
    """Names of variables in a line."""
    return ", ".join(f"{{{{ {name} }}}}" for name in sorted(names))


def _text(name: str) -> str:
    return files("labeler.prompts").joinpath(f"{name}.j2").read_text(encoding="utf-8")


def _variables(text: str) -> set[str]:
    return meta.find_undeclared_variables(_environment().parse(text))


def _environment() -> Environment:
    # Nothing is escaped: a prompt is plain text, and what it quotes is fenced by its template. Sandboxed, for a worker
    # renders templates that others stored.
    return SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)


def make_prompt(name: str, text: str) -> Prompt:
    """A prompt out of its template."""
    environment = _environment()
    system, parted, user = text.rpartition("\n---\n")
    return Prompt(
        name=name,
        version=hashlib.sha256(text.encode()).hexdigest()[:10],
        _system=environment.from_string(system) if parted else None,
        _user=environment.from_string(user),
    )
