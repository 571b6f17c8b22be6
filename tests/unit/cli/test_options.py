"""Options that several commands share."""

import pytest

from labeler.cli.options import mode_of, read_prompts
from labeler.errors import InputError


def test_a_file_is_the_explainer_s_unless_it_names_another(tmp_path):
    mine, other = tmp_path / "mine.j2", tmp_path / "odd=name.j2"
    mine.write_text("one")
    other.write_text("two")
    assert read_prompts([str(mine)]) == {"explain": "one"}
    assert read_prompts([str(mine), f"sparse={other}"]) == {"explain": "one", "sparse": "two"}
    assert read_prompts([str(other)]) == {"explain": "two"}
    assert read_prompts(None) == {}


def test_what_is_wrong_with_a_prompt_s_file_is_named(tmp_path):
    mine, binary = tmp_path / "mine.j2", tmp_path / "binary.j2"
    mine.write_text("one")
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"gone\.j2"):
        read_prompts([str(tmp_path / "gone.j2")])
    with pytest.raises(InputError, match="two files"):
        read_prompts([str(mine), f"explain={mine}"])
    with pytest.raises(InputError, match="UTF-8"):
        read_prompts([str(binary)])


def test_modes():
    assert [mode_of(False, False), mode_of(True, False), mode_of(False, True)] == ["direct", "batch", "offline"]
    with pytest.raises(InputError, match="choose one"):
        mode_of(True, True)
