"""JSON schemas as OpenAI's strict mode wants them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

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
