"""The filler on schemas that pydantic and the SDKs make of models."""

from __future__ import annotations

from typing import Literal

import anthropic
import openai
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from eval.provider.schemas import fill


class Leaf(BaseModel):
    kind: Literal["leaf"]
    size: float = Field(gt=0, lt=0.5)


class Tree(BaseModel):
    name: str = Field(min_length=2)
    leaves: list[Leaf] = Field(min_length=1)
    left: Tree | None
    either: int | str


def test_nested_and_recursive_models():
    assert fill(Tree.model_json_schema()) == {
        "name": "xx",
        "leaves": [{"kind": "leaf", "size": 0.25}],
        "left": None,
        "either": 0,
    }
    Tree.model_validate(fill(Tree.model_json_schema()))


def test_the_forms_that_the_sdks_send():
    class Answer(BaseModel):
        words: list[str]
        good: bool
        leaf: Leaf | None

    for schema in (
        anthropic.transform_schema(Answer),
        openai.pydantic_function_tool(Answer)["function"]["parameters"],
    ):
        assert fill(schema)["words"] == []
        assert fill(schema)["good"] is False


NUMBERS = st.integers(-50, 50)


@st.composite
def fields(draw):
    low = draw(NUMBERS)
    high = low + draw(st.integers(2, 20))
    kind = draw(st.sampled_from([int, float]))
    bounds = draw(
        st.sampled_from([{"ge": low}, {"gt": low}, {"lt": high}, {"gt": low, "lt": high}, {"ge": low, "le": high}])
    )
    number = (kind, Field(**bounds))
    text = (str, Field(min_length=draw(st.integers(0, 4))))
    choice = (Literal["a", 3], ...)
    listed = (list[bool], Field(min_length=draw(st.integers(0, 3))))
    return draw(st.sampled_from([number, text, choice, listed, (str | None, ...), (dict[str, int], ...)]))


@given(st.dictionaries(st.sampled_from(["alpha", "beta", "gamma"]), fields(), min_size=1))
def test_what_is_filled_in_fits(columns):
    model = create_model("Model", **columns)
    model.model_validate(fill(model.model_json_schema()))
