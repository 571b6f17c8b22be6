"""Thoughts, parted from what is said."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm import thoughts
from labeler.llm.thoughts import is_begun, parted

N = 50_000
ANSWER = '{"label": "months", "description": "names of months"}'
MARKS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<THOUGHT>", "</THOUGHT>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<unused94>thought\n", "<unused95>"),
]
DRAFT = 'I look at the marks. {"label": "days"} would do, {x: "y"} would not; nor does a lone { or ".\n'


@pytest.mark.parametrize(("opening", "closing"), MARKS)
@pytest.mark.parametrize("before", ["", " \n", "\ufeff"])
def test_what_stands_between_marks_or_before_the_closing_one_is_thought(opening, closing, before):
    assert parted(f"{before}{opening}{DRAFT}{closing}\n\n{ANSWER}")[1] == f"\n\n{ANSWER}"
    assert parted(f"{before}{DRAFT}{closing}\n\n{ANSWER}")[1] == f"\n\n{ANSWER}"
    assert parted(f"{before}{DRAFT}{closing}") == (f"{before}{DRAFT}{closing}", "")


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_thinking_that_was_cut_says_nothing(opening, closing):
    assert parted(f"\n{opening}{DRAFT}")[1] == ""


@pytest.mark.parametrize("mark", [mark for pair in MARKS for mark in pair if "\n" not in mark])
@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "Here it is:\n{}", "Here: {}\nIs that enough?"])
def test_a_mark_in_a_string_of_the_answer_is_part_of_it(mark, form):
    for said in (f"the mark {mark} and its like", f"{mark}", f'"{mark}" {{ in \\ quotes', f"}} {mark} {{"):
        text = form.replace("{}", json.dumps({"silent": [2], "label": said, "inner": {"description": said}}))
        assert parted(text) == ("", text)
        assert parted(f"Hm? No.</think>{text}") == ("Hm? No.</think>", text)


def test_a_mark_is_one_in_a_string_of_json_that_is_not_quite_right_too():
    text = '{"label": "the mark </think>", "silent": [1,],}'
    assert parted(text) == ("", text)


def test_a_draft_before_a_closing_mark_is_no_answer():
    assert parted('{"label": "draft"}</think>')[1] == ""
    assert parted('```json\n{"label": "draft"}\n```\nno.</think> {"label": "right"}')[1] == ' {"label": "right"}'


def test_a_pair_of_marks_within_a_sentence_are_words():
    for text in ("so <think> is a word </think>", "nothing at all", "", "a < b </thinks>"):
        assert parted(text) == ("", text)


def test_thoughts_one_behind_the_other():
    assert parted("<think>a</think>\n<think>b</think>c")[1] == "c"
    assert parted("<think>the mark </think> closes</think>c")[1] == "c"


PIECES = st.sampled_from(['"', "{", "}", "\\", "\n", "a", "<think>", "</think>"])


@given(st.lists(PIECES, max_size=40).map("".join) | st.text())
def test_nothing_is_lost(text):
    thought, said = parted(text)
    assert thought + said == text


@pytest.mark.parametrize("piece", ["{", '{"', '"', "</think>", "{</think>", '{"a":', "<think>", '{"</think>"'])
def test_long_texts_are_parted_in_no_time(piece):
    began = time.process_time()
    parted(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 3


WHOLE = '{"label": "fires at \\"a\\" and at {b}", "confidence": 1}'
BEGINNINGS = ["", "\n", "\ufeff", "```json\n", "```\n", "[", "```json\n[\n", " [ "]


@pytest.mark.parametrize("before", BEGINNINGS)
def test_wherever_an_answer_is_cut_it_has_begun(before):
    for spelled in (WHOLE, WHOLE.replace('"label"', "'label'"), WHOLE.replace('"label"', "label"), "{\n  " + WHOLE[1:]):
        for end in range(1, len(spelled)):
            assert is_begun(before + spelled[:end])


THOUGHTS = [
    "I look at the marks. " * 9,
    "",
    "[Analysis] I look at",
    "[1, 2] are marked",
    "{The contexts} show",
    "`foo` fires",
]
THOUGHTS += [
    "{}",
    "```python\nprint(1)\n``` is marked",
    '{"cat", "dog"} are marked',
    "[[x]] is marked",
    "[THINKING] {",
    "`",
    "[]",
]
THOUGHTS += [WHOLE + " will not do. I look", f"[{WHOLE}] is a draft", f"```json\n{WHOLE}\n```\nNo: I look"]


@pytest.mark.parametrize("thought", THOUGHTS)
def test_a_thought_that_is_cut_is_no_answer_whatever_it_begins_with(thought):
    assert not is_begun(thought)


@given(st.text(alphabet="{[\"':`a \n\\"))
def test_any_text_has_begun_or_not(text):
    assert is_begun(text) in (True, False)


@pytest.mark.parametrize("before", ["", "{", "[", "```", "```json", '{"a', '{"a"', "{a", "[{"])
@pytest.mark.parametrize("piece", [" ", "{", "[", '{"', '{"a":', "`", "\\", "a", "\ufeff"])
def test_long_texts_are_looked_at_in_no_time(before, piece):
    began = time.process_time()
    is_begun(before + piece * (200_000 // len(piece)) + ".")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "text",
    [
        '{"' + '\\"' * N,
        '{"}' + '{\\"}' * N,
        "{" + '"\n' * N,
        '{"}' * N,
        "{" * N,
        '{"a"}</think>' * N,
        "<|channel|>final" * N,
    ],
    ids=lambda text: text[:12],
)
def test_the_time_for_it_grows_with_the_text_and_not_with_its_square(text):
    began = time.process_time()
    thought, said = parted(text + "</think>cats")
    assert thought + said == text + "</think>cats"
    assert said == "cats"
    assert time.process_time() - began < 10


@given(st.text(alphabet='{}"\\\na', max_size=20))
def test_the_strings_of_objects_are_those_that_end_on_their_line(text):
    def strings(text, begin):
        endless = 0
        while endless < thoughts._ENDLESS and (begin := text.find("{", begin)) >= 0:
            depth, found = 0, []
            for piece in re.finditer(r'"(?:[^"\\\n]|\\.)*"|[{}]', text[begin:]):
                if piece[0] not in "{}":
                    found.append((begin + piece.start(), begin + piece.end()))
                    continue
                depth += 1 if piece[0] == "{" else -1
                if depth == 0:
                    yield from found
                    begin += piece.end()
                    break
            else:
                endless, begin = endless + 1, begin + 1

    assert list(thoughts._strings(text, 0)) == list(strings(text, 0))
