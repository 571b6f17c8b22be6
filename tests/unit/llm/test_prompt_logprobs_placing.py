import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm.prompt_logprobs import UNREADABLE, place


def test_tokens_stand_one_behind_the_other():
    assert place("The cat sat", ["The", " cat", " s", "at"]) == [(0, 3), (3, 7), (7, 9), (9, 11)]


def test_what_the_server_wrote_itself_is_left_out():
    assert place("The cat", ["The", " cat", " sat"]) == [(0, 3), (3, 7)]


def test_a_start_token_stands_before_the_text():
    assert place("a b", ["<s>", "a", " b", "!"]) == [(0, 0), (0, 1), (1, 3)]


def test_the_pieces_of_a_character_all_have_its_place():
    x = UNREADABLE
    assert place("a😀 b", ["a", x, x, " b"]) == [(0, 1), (1, 2), (1, 2), (2, 4)]
    assert place("日日 b", [f"{x}", f"{x}{x}", "日", " b"]) == [(0, 1), (0, 1), (1, 2), (2, 4)]
    assert place("a 日b", ["a", f" {x}", x, "b"]) == [(0, 1), (1, 3), (1, 3), (3, 4)]


def test_servers_that_show_a_character_at_its_last_piece():
    assert place("a😀b", ["a", "", "", "😀", "b"]) == [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]


def test_spaces_that_decoding_lost_are_found():
    assert place("Here is it", ["Here", "is", "it"]) == [(0, 4), (4, 7), (7, 10)]
    assert place("x ?", ["x", "", "?"]) == [(0, 1), (1, 2), (2, 3)]  # '▁' alone decodes to nothing


def test_a_replacement_character_of_the_text_itself():
    assert place("a\ufffdb", ["a", "\ufffd", "b"]) == [(0, 1), (1, 2), (2, 3)]
    assert place("a\ufffdb", ["a", "\ufffd", "\ufffd", "\ufffd", "b"])[1:4] == [(1, 2)] * 3


@pytest.mark.parametrize("tokens", [[], ["The"], ["The", " dog"], ["The", "\ufffd", " sat"], ["<s>", "x", "The cat"]])
def test_tokens_of_another_text_are_an_error_in_one_line(tokens):
    with pytest.raises(ValueError, match=r"its .*token") as caught:
        place("The cat", tokens)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30), st.data())
def test_any_way_to_cut_bytes_is_placed_over_the_right_characters(text, data):
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=10)))
    bounds = [0, *[cut for cut in cuts if cut < len(raw)], len(raw)]
    parts = [raw[a:b] for a, b in itertools.pairwise(bounds)]
    found = place(text, [part.decode(errors="replace") for part in parts])
    assert len(found) == len(parts)
    for (begin, end), a, b in zip(found, bounds, bounds[1:], strict=False):
        # At least the characters that the token has a byte of; more only beside others that are unreadable.
        first = len(raw[:a].decode(errors="ignore"))
        last = len(text) - len(raw[b:].decode(errors="ignore"))
        assert begin <= first
        assert end >= last
    assert found[-1][1] == len(text)
