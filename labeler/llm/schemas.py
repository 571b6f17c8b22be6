"""JSON schemas of answers: as OpenAI's strict mode wants them, and whether a text names their fields as keys."""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel


@functools.lru_cache(maxsize=64)
def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """The ``response_format`` that asks for an answer of this form; not to be changed, for it is kept."""
    name = re.sub(r"\W", "_", schema.__name__, flags=re.ASCII)[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": strict_schema(schema), "strict": True}}


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model in which every object requires all of its properties and takes no others.

    Defaults, which strict mode does not know, are left out; a reference with anything beside it is replaced by what it
    stands for.
    """
    whole = schema.model_json_schema()
    return _strict(whole, whole.get("$defs", {}))


def _strict(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    part = {keyword: value for keyword, value in part.items() if keyword != "default"}
    if "$ref" in part and len(part) > 1:
        named = definitions[part.pop("$ref").rpartition("/")[2]]
        return _strict({**named, **part}, definitions)
    found: dict[str, Any] = {}
    for keyword, value in part.items():
        if keyword in ("properties", "$defs"):  # below them stand names, which may be any word
            found[keyword] = {name: _strict(inner, definitions) for name, inner in value.items()}
        elif isinstance(value, dict) and keyword in ("items", "not"):
            found[keyword] = _strict(value, definitions)
        elif keyword in ("anyOf", "allOf", "oneOf", "prefixItems"):
            found[keyword] = [_strict(inner, definitions) for inner in value]
        else:
            found[keyword] = value
    if part.get("type") == "object":
        found.setdefault("additionalProperties", False)
    if "properties" in found:
        found["required"] = list(found["properties"])
    return found


_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Naming:
    """By what an attempt at an answer of a schema is told."""

    fields: frozenset[str]
    """The names of the answer's own fields, as ``plain_name`` writes them."""
    all_names: frozenset[str]
    """Those of the parts of it too."""
    as_key: re.Pattern[str]
    """A field of the answer, named as a key."""
    quoted: re.Pattern[str]
    """Any name in quotes, as JSON has its keys."""
    last: re.Pattern[str]
    """A field whose value begins where the text ends."""

    def in_text(self, text: str) -> bool:
        """Whether a text names a field as a key. A sentence that merely speaks of one does not."""
        said = _plainly(text)
        return self.as_key.search(said) is not None or self.quoted.search(said) is not None

    def in_value(self, value: Any) -> bool:
        """Whether some object in a value has a key that is a name."""
        if isinstance(value, list):
            return any(map(self.in_value, value))
        if not isinstance(value, dict):
            return False
        return any(plain_name(name) in self.all_names or self.in_value(part) for name, part in value.items())


def plain_name(name: str) -> str:
    """A name however it is written: ``Final answer``, ``final_answer``, ``FinalAnswer``."""
    return _NO_LETTER.sub("", unicodedata.normalize("NFKC", name)).lower()


@functools.lru_cache(maxsize=64)
def naming(schema: type[BaseModel]) -> Naming:
    """How attempts at a schema's answers are told."""
    names = _names(schema.model_json_schema())
    key = rf"(?<![^\W_])(?:{_any_of(schema.model_fields)})(?![^\W_])"
    mark = r"(?:[^\w\n]|_)"  # what may stand around a key on its line
    notations = (
        rf"{key}(?:[^\w:=|,.;!?<>]|_){{0,12}}(?:[:=|→⇒\t]|->|=>)",  # JSON, YAML, code, tables
        rf"<(?=[a-z_|:])[^<>\n]{{0,80}}{key}[^<>\n]{{0,80}}(?:>|\Z)",  # an opening tag, or what is in it
        rf">\s{{0,8}}{key}\s{{0,8}}<",
        rf"[\\:@$(.]{key}\s?[\"“'‘{{(\[]",  # a command or a call
        rf"^{mark}*(?:{key}{mark}*)+$",  # a heading, or a head of columns
        rf"^{mark}*{key}(?:[^\w\n]*[-–—~](?=\s)|\s{{2,}}\S)",
        rf"^{mark}*?(?P<bold>\*\*|__|`){key}(?P=bold)",
    )
    return Naming(
        frozenset(map(plain_name, schema.model_fields)),
        frozenset(map(plain_name, names)),
        re.compile("|".join(notations), re.IGNORECASE | re.MULTILINE),
        re.compile(rf"""["'“”‘’`](?:{_any_of(names)})\\?["'“”‘’`]\s{{0,12}}[:=]""", re.IGNORECASE),
        re.compile(rf"""{key}[^\w\n:=]{{0,12}}(?:[:=]|=>)[^\S\n]{{0,12}}["'“‘`]?\Z""", re.IGNORECASE),
    )


def _any_of(names: Any) -> str:
    return "|".join(r"[\s_-]?".join(map(re.escape, name.split("_"))) for name in sorted(names))


def _names(schema: Any) -> set[str]:
    """The names of all properties in a JSON schema."""
    if isinstance(schema, list):
        return {name for part in schema for name in _names(part)}
    if not isinstance(schema, Mapping):
        return set()
    return {name for part in schema.values() for name in _names(part)} | set(schema.get("properties", ()))


def _plainly(text: str) -> str:
    """A text without the escapes of JSON, HTML and URLs, without wide letters and without what cannot be seen."""
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    text = unicodedata.normalize("NFKC", html.unescape(unquote(text)))
    return "".join(one for one in text if unicodedata.category(one) != "Cf") if not text.isascii() else text
