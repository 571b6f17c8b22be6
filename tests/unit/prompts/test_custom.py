"""A user's own template in the place of a shipped one."""

from importlib.resources import files

import pytest

from labeler.errors import InputError
from labeler.prompts import custom_prompt, load_prompt, names


@pytest.mark.parametrize("name", names())
def test_a_shipped_prompt_can_stand_for_itself_with_its_version(name):
    text = files("labeler.prompts").joinpath(f"{name}.j2").read_text(encoding="utf-8")
    assert custom_prompt(name, text).source == load_prompt(name).source


def test_another_text_is_another_version_with_its_own_static_part():
    mine = custom_prompt("likelihood", "You are terse.\n---\n{{ label }}!")
    assert mine.source != load_prompt("likelihood").source
    assert mine.source.startswith("likelihood@")
    assert (mine.system(), mine.render(label="dogs")) == ("You are terse.", "dogs!")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nothing", "x", "there is no prompt 'nothing'"),
        ("likelihood", "{{ label", "line 1"),
        ("likelihood", "{{ secret }}", "uses {{ secret }}, but is given {{ label }}"),
        ("likelihood", "no variable at all", "shows nothing"),
        ("likelihood", "Of {{ label }}:\n---\n{{ label }}", "above its line ---"),
        ("likelihood", "{% include 'x' %}{{ label }}{% endif %}", "line 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(name, text, said):
    with pytest.raises(InputError) as error:
        custom_prompt(name, text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_template_cannot_reach_into_python():
    escape = custom_prompt("likelihood", "{{ label.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(InputError, match="cannot be filled in"):
        escape.render(label="x")
