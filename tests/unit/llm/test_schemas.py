"""Schemas as OpenAI's strict mode wants them."""

import enum
from typing import Literal

import openai
import pytest
from pydantic import BaseModel, Field

from labeler.explainers.llm import Label
from labeler.llm.schemas import response_format, strict_schema
from labeler.scorers.intruder import Choices
from labeler.scorers.yes_no import Verdicts
from labeler.simulators.quotes import Guesses


class Colour(enum.Enum):
    RED = "red"


class Leaf(BaseModel):
    """What hangs on a branch."""

    default: str = "a property of this name"


class Tree(BaseModel):
    label: str = Field(min_length=1)
    nothing: str | None = None
    leaf: Leaf = Leaf()
    told: Leaf = Field(description="told apart")
    several: list[Leaf] = []
    either: Leaf | Literal["none"] = "none"
    pair: tuple[int, Leaf]
    colour: Colour = Colour.RED
    below: "Tree | None" = None


def objects(schema):
    """Every schema of an object in a schema."""
    if isinstance(schema, list):
        return [found for part in schema for found in objects(part)]
    if not isinstance(schema, dict):
        return []
    below = [found for part in schema.values() for found in objects(part)]
    return [schema, *below] if schema.get("type") == "object" else below


@pytest.mark.parametrize("schema", [Label, Guesses, Verdicts, Choices])
def test_the_forms_that_are_asked_for_are_as_openais_own_package_sends_them(schema):
    expected = openai.pydantic_function_tool(schema)["function"]["parameters"]
    assert strict_schema(schema) == expected


def test_every_object_is_closed_and_requires_all():
    found = objects(strict_schema(Tree))
    assert len(found) > 2
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


def test_defaults_are_left_out_and_properties_of_that_name_are_not():
    schema = strict_schema(Tree)
    assert [name for name, part in schema["properties"].items() if "default" in part] == []
    assert schema["$defs"]["Leaf"]["properties"].keys() == {"default"}


def test_a_reference_stands_alone_or_is_replaced():
    properties = strict_schema(Tree)["properties"]
    assert properties["leaf"] == {"$ref": "#/$defs/Leaf"}
    assert properties["told"]["description"] == "told apart"
    assert properties["told"]["properties"].keys() == {"default"}
    assert "$ref" not in properties["told"]


def test_the_name_of_a_form_holds_what_names_may_hold():
    class Größe(BaseModel):
        n: int

    assert response_format(Größe)["json_schema"]["name"] == "Gr__e"
