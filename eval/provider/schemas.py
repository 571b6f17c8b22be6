"""Something minimal that fits a JSON schema, of those that language models are given."""

from __future__ import annotations

import math
from typing import Any


def fill(schema: dict[str, Any]) -> Any:
    """The smallest thing that fits. Of alternatives null is taken, or the first; patterns and formats of texts are not kept."""
    return _fill(schema, schema, 0)


def _fill(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    if depth > 50:
        raise ValueError("this schema never ends")
    if "$ref" in schema:
        return _fill({**_named(schema["$ref"], root), **_without(schema, "$ref")}, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "allOf" in schema:
        merged: dict[str, Any] = _without(schema, "allOf")
        for part in schema["allOf"]:
            merged |= _named(part["$ref"], root) if "$ref" in part else part
        return _fill(merged, root, depth + 1)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            null = [option for option in schema[word] if option.get("type") == "null"]
            return _fill((null or schema[word])[0], root, depth + 1)
    return _of_type(_types(schema)[0], schema, root, depth)


def _of_type(kind: str, schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _fill(properties.get(name, {}), root, depth + 1) for name in schema.get("required", properties)}
    if kind == "array":
        return [_fill(schema.get("items", {}), root, depth + 1) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        return "x" * schema.get("minLength", 0)
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    return False if kind == "boolean" else None


def _number(schema: dict[str, Any], *, whole: bool) -> float:
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if whole:
        least = max(
            math.ceil(least) if least > -math.inf else least, math.floor(above) + 1 if above > -math.inf else above
        )
        most = min(math.floor(most) if most < math.inf else most, math.ceil(below) - 1 if below < math.inf else below)
        return int(min(max(0, least), most))
    value = min(max(0.0, least, above), most, below)
    if value == above:
        value = (above + min(most, below)) / 2 if min(most, below) < math.inf else above + 1
    elif value == below:
        value = (below + max(least, above)) / 2 if max(least, above) > -math.inf else below - 1
    found: float = value
    return found


def _types(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type") or ("object" if "properties" in schema else "null")
    return kind if isinstance(kind, list) else [kind]


def _named(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")] if step else found
    return dict(found)


def _without(schema: dict[str, Any], word: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != word}
