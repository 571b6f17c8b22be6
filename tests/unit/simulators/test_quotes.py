import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.fence import one_line
from labeler.simulators.quotes import Guesses, on_tokens, quotes_in, read

TOKENS = ("The", " cat", " sat", " on", " the", " C", "at", ".")
CONTEXTS = [(" a", " cat"), (" a", " dog"), (" a", " cow")]


def values(*entries):
    found = on_tokens(entries, TOKENS, 10)
    return None if found is None else found.values.tolist()


def test_quotes_are_mapped_to_the_tokens_they_overlap():
    assert values("sat=7") == [0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
    assert values("Cat=3") == [0, 0, 0, 0, 0, 3, 3, 0, 0, 0]
    assert values("sat on the=4") == [0, 0, 4, 4, 4, 0, 0, 0, 0, 0]
    assert values() == [0] * 10


def test_marks_are_counted_wherever_they_stand():
    tokens = ("f", "(", "x", ")", " (", " y")
    assert on_tokens(["(=4"], tokens, 6).values.tolist() == [0, 4, 0, 0, 0, 0]
    assert on_tokens(["(#2=4"], tokens, 6).values.tolist() == [0, 0, 0, 0, 4, 0]


def test_several_quotes_follow_each_other_or_stand_apart():
    wanted = [0, 0, 7, 5, 0, 3, 3, 0, 0, 0]
    assert values("sat=7 on=5 Cat=3") == wanted
    assert values("sat=7", " on = 5, Cat=3 ") == wanted
    assert values("sat=7 sat=2 on=5", "Cat=3") == wanted  # the strongest counts


@pytest.mark.parametrize("entry", ["", " ", "sat", "sat=", "sat=7 on", "sat=x", "=7", "sat=7.5", "sat=7on"])
def test_an_entry_that_cannot_be_read_is_no_answer(entry):
    assert values(entry) is None


def test_an_occurrence_is_counted_from_one():
    tokens = (" a", " b", " a", " b")
    assert on_tokens(["a#2=5"], tokens, 4).values.tolist() == [0, 0, 5, 0]
    assert on_tokens(["a=5"], tokens, 4).values.tolist() == [5, 0, 0, 0]
    assert on_tokens(["a#1=5"], tokens, 4).values.tolist() == [5, 0, 0, 0]


def test_a_number_sign_may_be_part_of_the_text():
    tokens = (" C", "#2", " C", " x=1", ";")
    assert on_tokens(["C#2=5"], tokens, 5) is None  # the second C, or what stands there
    assert on_tokens(["#2=5"], tokens, 5).values.tolist() == [0, 5, 0, 0, 0]
    assert on_tokens(["x=1=5"], tokens, 5).values.tolist() == [0, 0, 0, 5, 0]
    assert on_tokens(["item#2=5"], (" item", "#2", " one"), 3).values.tolist() == [5, 5, 0]


def test_what_is_unambiguous_is_repaired():
    assert values("SAT=2")[2] == 2
    assert values("sat#3=2")[2] == 2
    assert values("sat=0") == [0] * 10
    assert values("the#2=2").index(2) == 4  # counted with "The"


def repaired(*entries):
    found = on_tokens(entries, TOKENS, 10)
    return found.n_quotes, found.n_repaired


@pytest.mark.parametrize(
    ("entry", "tokens", "expected"),
    [
        (
            "loop=8 loop#2=7 loop#3=6",
            ("(", "loop", ") new", "_", "loop", "(); set", "loop", "s"),
            [0, 8, 0, 0, 7, 0, 6, 0],
        ),
        ("X=2 X#2=3 X#3=4", ("X", " (", "X", "10 or", " X"), [2, 0, 3, 0, 4]),
        ("22=8 22#2=7", ("22", " est", " 20", "22", " est"), [8, 0, 0, 7, 0]),
        ("4#1=4 4#2=9 3#2=5", ("202", "4", ": 1.", "3", "% (202", "4", ") 202", "3", ":"), [0, 4, 0, 0, 0, 9, 0, 5, 0]),
        ("loop#2=7 loop=8", ("(", "loop", ") new", "_", "loop"), [0, 8, 0, 0, 7]),
    ],
)
def test_how_occurrences_were_counted_all_quotes_of_a_word_say_together(entry, tokens, expected):
    assert on_tokens([entry], tokens, len(tokens)).values.tolist() == expected


def test_more_occurrences_than_there_are_in_any_way_of_counting_are_no_answer():
    assert on_tokens(["loop=8 loop#2=7 loop#4=6"], ("loop", " new_loop", " loops"), 3) is None
    assert on_tokens(["loop#2=7"], ("loop", " new_loop"), 2) is None  # alone, it may be a slip


def test_repairs_are_counted():
    assert repaired("sat=2 sat=2") == (2, 0)
    assert repaired("Ca=2") == (1, 0)  # a part of a word is what may be quoted
    assert repaired("sat=2", "SAT=2") == (2, 1)
    assert repaired("sat#2=2") == (1, 1)
    assert repaired("sat=0") == (1, 1)


def test_a_place_that_could_be_two_is_no_answer():
    assert on_tokens(["cat#2=5"], (" cat", " concat"), 2) is None
    assert values("The#2=2") is None  # "The", or the second of both spellings


@pytest.mark.parametrize("entry", ["dog=3", "sat=11", "sat=-1", "dog=3 sat=3"])
def test_what_is_not_in_the_text_or_out_of_range_is_no_answer(entry):
    assert values(entry) is None


def test_an_occurrence_that_is_not_there_is_no_answer():
    assert on_tokens(["a#3=5"], (" a", " a"), 2) is None
    assert on_tokens(["a#0=5"], (" a", " a"), 2) is None


def test_line_ends_are_quoted_as_they_are_shown_and_do_not_shift_a_quote():
    tokens = (" a", "\r", "\n", "\r\n", "x", " cat")
    assert on_tokens(["cat=4"], tokens, 6).values.tolist() == [0, 0, 0, 0, 0, 4]
    assert on_tokens(["↵=4"], tokens, 6).values.tolist() == [0, 0, 4, 0, 0, 0]
    assert on_tokens(["↵#2=4"], tokens, 6).values.tolist() == [0, 0, 0, 4, 0, 0]


CODE = ("if", " x", ":", "\n", "   ", " return", "\r\n", "\t", "y", " ", " #", "\n", "        ", " z")
"""Shown as ``if x:↵····return␍↵⇥y  #↵·········z``, with two dots for the spaces before the number sign."""


def strong(*entries, tokens=CODE):
    """Which tokens are hit."""
    found = on_tokens(entries, tokens, len(tokens))
    return None if found is None else np.flatnonzero(found.values).tolist()


@pytest.mark.parametrize(
    ("entry", "hit"),
    [
        ("⇥=5", [7]),
        ("\t=5", [7]),
        ("␍↵=5", [6]),
        ("\r\n=5", [6]),
        ("↵#3=5", [11]),
        ("\n#3=5", [11]),
        ("···=5", [4]),
        ("··=5", [9]),  # the two that stand alone, and not the first two of four
        ("   =5", [9]),
        ("    =5", [4]),  # the token of spaces, and not the word that begins with the last of them
        ("····#2=5", [12]),
        ("    #2=5", [12]),
        ("·········=5", [12]),
        ("···········=5", [12]),  # two too many: the run that is nearest
        ("↵····return=5", [3, 4, 5]),
        ("\n    return=5", [3, 4, 5]),
        ("⇥y=5", [7, 8]),
        ("return=5 ⇥=3 ↵#2=2", [5, 6, 7]),
        ("return=5\ty=3", [5, 8]),  # parted by a tab
        ("return=5 \t=3", [5, 7]),
        ("x: return=5", [1, 2, 3, 4, 5]),  # as if there were no line
    ],
)
def test_white_space_is_quoted_by_its_signs_or_as_it_is(entry, hit):
    assert strong(entry) == hit


@pytest.mark.parametrize(
    ("entry", "tokens", "hit"),
    [
        ("····", ("x", "\n", "        ", "z", "\n", "    ", "y"), [5]),
        ("····#2", ("x", "\n", "        ", "z", "\n", "    ", "y"), [5]),  # the second stretch that holds four
        ("········", ("x", "\n", "    ", "z", "\n", "        ", "y"), [5]),
        (
            "····",
            ("x", "\n", "        ", "z", "\n", "            ", "y"),
            [2],
        ),  # nowhere alone: the first that holds it
        ("····#2", ("x", "\n", "        ", "z", "\n", "            ", "y"), [5]),
        ("····#2", ("x", "    ", "    ", "y"), [2]),  # one stretch that is two tokens
        ("⇥", ("\t\t", "x", "\t", "y"), [2]),
        ("⇥#2", ("\t\t", "x", "\t", "y", "\t"), [4]),
        ("⇥⇥", ("\t", "x", "\t\t\t", "y", "\t\t"), [4]),
        ("␣", ("\xa0\xa0", "x", "\u3000"), [2]),
        ("↵····", ("\n", "        ", "x", "\n", "    ", "y"), [3, 4]),
        ("····return", ("        ", "return", "\n", "    ", "return"), [3, 4]),
        ("↵#3", ("\n\n", "x", "\n", "y"), [2]),  # line ends are counted one by one, as they are seen
        ("↵", ("\n\n", "x", "\n"), [0]),
        ("⇥⇥⇥", ("\t", "x"), [0]),
        ("····#0", ("    ", "x"), None),
        ("····#3", ("    ", "x", "    "), None),
    ],
)
def test_white_space_is_first_of_all_a_whole_stretch(entry, tokens, hit):
    assert strong(f"{entry}=5", tokens=tokens) == hit


def test_one_space_is_quoted_as_it_is():
    assert strong("  #2=5", tokens=("a", " ", "b", " ", "c")) == [3]
    assert strong("·#2=5", tokens=("a", " ", "b", " ", "c")) == [3]
    assert strong(" =5", tokens=("a", "b")) is None


def test_signs_may_be_part_of_the_text():
    tokens = (" ·", " ⇥", "\t", " ↵", "\n", " A", " · B")
    assert [strong(entry, tokens=tokens) for entry in ("·=5", "⇥=5", "⇥#2=5", "↵#2=5")] == [[0], [1], [2], [4]]
    assert strong("·#2=5", tokens=tokens) == [6]
    assert strong("A · B=5", tokens=tokens) == [5, 6]


def test_scripts_without_spaces_have_no_word_to_stand_alone_in():
    tokens = ("私", "の", "猫", "は", "、", "の", "。", "彼", "の", "iPhone", "の", "本")
    assert [strong(f"の#{n}=5", tokens=tokens) for n in (1, 2, 3, 4)] == [[1], [5], [8], [10]]
    assert strong("iPhone=5", tokens=tokens) == [9]
    assert strong("猫は、=5", tokens=tokens) == [2, 3, 4]
    thai = ("ผม", "ที่", "ไป", " ", "ที่", " ", "บ้าน", "ที่")
    assert [strong(f"ที่#{n}=5", tokens=thai) for n in (1, 2, 3)] == [[1], [4], [7]]


def test_an_accent_belongs_to_its_letter():
    assert strong("क=5", tokens=("कि", " क")) == [1]  # not the consonant of a syllable with another vowel
    assert strong("e=5", tokens=("e\u0301", " e")) == [1]


PIECES = [
    *("\t", " ", "  ", "    ", "\n", "\n\n", "\r", "\r\n", "\xa0", "\u3000", "\x0b", "\u2028"),
    *("の", "は", "東京", "。", "ที่", "🙂", "👨\u200d👩", "👨", " cat", " dog", " في", "(", " ==", "·", "⇥", "␣", " ⟦"),
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=25), st.data())
def test_whatever_is_quoted_as_it_is_shown_with_its_number_is_found(tokens, data):
    at = data.draw(st.integers(0, len(tokens) - 1))
    begin = sum(map(len, tokens[:at]))
    shown = one_line("".join(tokens))
    line, cut = shown.strip(" "), len(shown) - len(shown.lstrip(" "))
    quoted = shown[begin : begin + len(tokens[at])].strip(" ")
    begin = shown.index(quoted, begin) - cut
    if not quoted or begin not in places(quoted, line):  # a space at an edge, or a part of a longer run
        return
    before = places(quoted, line).index(begin)
    entry = f"{quoted}#{before + 1}=7" if before else f"{quoted}=7"
    found = on_tokens([entry], tokens, len(tokens))
    ends = np.cumsum([len(token) for token in tokens]) - cut
    overlap = (ends - [len(token) for token in tokens] < begin + len(quoted)) & (begin < ends)
    hit = found.values[: len(tokens)] == 7
    assert hit[at]
    assert not (hit & ~overlap).any()
    assert found.n_repaired == 0


def places(quoted, line):
    """Where a reader who goes from left to right finds it: of a stretch of blanks, where it stands as a whole."""
    found, at = [], line.find(quoted) if quoted else -1
    while at >= 0:
        found.append(at)
        at = line.find(quoted, at + len(quoted))
    if not set(quoted) <= set("·⇥␣"):
        return found
    return [at for at in found if line[at - 1 : at] != quoted[0] and line[at + len(quoted) :][:1] != quoted[-1]]


@given(st.lists(st.sampled_from(["\t", "  ", "\r", "\n", "x", " y", "の", "🙂"]), min_size=1, max_size=20), st.data())
def test_white_space_itself_is_read_as_its_signs(tokens, data):
    text = "".join(tokens)
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    literal, shown = text[begin:end].strip(" "), one_line(text[begin:end].strip(" "))
    assert strong(f" {literal}=7", tokens=tokens) == strong(f" {shown}=7", tokens=tokens)


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8), st.text(max_size=20), st.integers(-5, 15))
def test_no_entry_ever_raises(tokens, said, strength):
    for entry in (said, f"{said}={strength}", f"{said}#{strength}={strength}"):
        found = on_tokens([entry], tokens, len(tokens))
        assert found is None or (found.values >= 0).all()


@given(st.lists(st.tuples(st.from_regex(r"[a-z#]{1,5}", fullmatch=True), st.integers(0, 10)), min_size=1))
def test_what_is_written_is_read(quotes):
    assert quotes_in(" ".join(f"{word}={strength}" for word, strength in quotes)) == quotes


@given(st.data())
def test_every_word_can_be_quoted(data):
    words = data.draw(st.lists(st.sampled_from(["a", "an", "ant", "cat", "A"]), min_size=1, max_size=9))
    at = data.draw(st.integers(0, len(words) - 1))
    occurrence = words[: at + 1].count(words[at])
    entry = f"{words[at]}#{occurrence}=3" if occurrence > 1 else f"{words[at]}=3"
    found = on_tokens([entry], [f" {word}" for word in words], len(words))
    assert found.values.tolist() == [3 * (place == at) for place in range(len(words))]
    assert found.n_repaired == 0


def answered(active, silent):
    return {
        at: mapped.values.tolist() for at, mapped in read(Guesses(active=active, silent=silent), CONTEXTS, 2).items()
    }


def test_every_context_is_active_or_silent():
    assert answered(["1: cat=5", "3| a=2", "3: cow=9"], [2]) == {0: [0, 5], 1: [0, 0], 2: [2, 9]}
    assert answered(["1: cat=5"], [2, 2, 3]) == {0: [0, 5], 1: [0, 0], 2: [0, 0]}


@pytest.mark.parametrize(
    ("active", "silent", "usable"),
    [
        (["1: cat=5"], [3], [0, 2]),  # named nowhere
        (["1: cat=5", "2: dog=1"], [2, 3], [0, 2]),  # named in both
        (["1: cat=5", "2: cat=1"], [3], [0, 2]),  # not in its text
        (["1: cat=5", "2: dog=1", "2: the"], [3], [0, 2]),  # one entry of two cannot be read
        (["1: cat=5", "cow=9", "2: dog=1"], [3], [2]),  # whose it is nobody knows: of an active one
        (["1: cat=5", "4: cow=9"], [2, 3, 0, -1, 9], [0, 1, 2]),  # what was not asked about
        (["1: "], [2, 3], [1, 2]),
        ([], [], []),
    ],
)
def test_a_context_without_one_usable_answer_is_left_out_and_never_silent(active, silent, usable):
    assert list(answered(active, silent)) == usable


@given(st.lists(st.text(max_size=12)), st.lists(st.integers()))
def test_only_what_is_named_is_answered(active, silent):
    found = read(Guesses(active=active, silent=silent), CONTEXTS, 2)
    for at, mapped in found.items():
        assert at + 1 in silent or any(str(at + 1) in entry for entry in active)
        assert np.isfinite(mapped.values).all()
