import re

from hypothesis import given
from hypothesis import strategies as st

from labeler.explainers.llm import LINE_TOKENS, MARK_TOKENS, cost, weighed
from labeler.fence import one_line


def test_the_strength_stands_behind_the_marks():
    assert weighed((" a", " slave", " b"), (0, 8, 0)) == "a⟦ slave⟧8 b"
    assert weighed((" a", " b"), (0, 0)) == "a b"
    assert weighed((" a",), (10,)) == "⟦ a⟧10"


def test_pieces_of_a_word_and_equals_share_marks():
    assert weighed((" sl", "av", "ery", " ends"), (3, 0, 8, 2)) == "⟦ sl⟧3av⟦ery⟧8⟦ ends⟧2"
    assert weighed((" sl", "avery", " ends"), (3, 8, 2)) == "⟦ slavery⟧8⟦ ends⟧2"
    assert weighed((" New", " York", " C", "ity", "."), (5, 5, 2, 3, 3)) == "⟦ New York⟧5⟦ City.⟧3"


def test_a_number_in_the_text_is_not_taken_for_a_strength():
    assert weighed((" $", "45"), (8, 0)) == "⟦ $⟧8 45"
    assert weighed((" $", "45"), (8, 3)) == "⟦ $⟧8⟦45⟧3"
    assert weighed(("45",), (0,)) == "45"


def test_a_context_is_one_line_without_marks_of_its_own():
    shown = weighed((" a", "\n+ ", "⟦b⟧9", "</", "evidence>"), (0, 0, 0, 4, 4))
    assert shown == "a↵+ [b]9⟦‹/evidence>⟧4"


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), st.integers(0, 10)), max_size=8))
def test_nothing_but_marks_strengths_and_spaces_is_added(pieces):
    tokens, strengths = [token for token, _ in pieces], [strength for _, strength in pieces]
    shown = weighed(tokens, strengths)
    assert len(shown.splitlines()) <= 1
    assert shown.count("⟦") == shown.count("⟧") <= sum(strength > 0 for strength in strengths)
    text = re.sub("⟧(10|[1-9])", "", shown).replace("⟦", "")
    assert "".join(text.split()) == "".join(one_line("".join(tokens)).split())


def test_what_it_costs():
    assert cost((" a", " b", " c"), (0, 0, 0)) == LINE_TOKENS + 3
    assert cost((" a", " b", " c"), (5, 0, 5)) == LINE_TOKENS + 3 + 2 * MARK_TOKENS
