"""Answers out of whatever models put around them: the last object that fits, never a draft, never a wrong one."""

import contextlib
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.explainers.llm import Label
from labeler.llm.answers import LONGEST, fit, is_json
from labeler.scorers.yes_no import Verdicts
from labeler.simulators.quotes import Guesses

ANSWER = {"label": "cats", "description": "the word cat", "confidence": 0.9}
DRAFT = {"label": "a draft", "description": "a first idea", "confidence": 0.1}
J, D = json.dumps(ANSWER), json.dumps(DRAFT)


def lines(answer, key="{}: ", between="\n"):
    return between.join(key.format(name) + str(value) for name, value in answer.items())


NOTATIONS = [
    lambda answer: json.dumps({name.title(): value for name, value in answer.items()}),
    lambda answer: json.dumps(answer).replace('"', "‘"),
    lambda answer: json.dumps(answer).replace('"', "`"),
    lambda answer: json.dumps(answer).replace('"', "&quot;"),
    lambda answer: json.dumps(answer).replace('"', "&#34;"),
    lambda answer: json.dumps(answer).replace('"', "\\u0022"),
    lambda answer: quote(json.dumps(answer)),
    lambda answer: json.dumps({"final": {"label": answer["label"]}}),
    lambda answer: "Label(" + ", ".join(f"{name}={value!r}" for name, value in answer.items()) + ")",
    lambda answer: lines(answer, "{} = "),
    lambda answer: lines(answer, "{} => "),
    lambda answer: lines(answer, between=", "),
    lambda answer: f"label: {answer['label']}",
    lambda answer: lines(answer, "- **{}:** "),
    lambda answer: lines(answer, "**{}** "),
    lambda answer: lines(answer, "## {}\n"),
    lambda answer: lines(answer, "{} - "),
    lambda answer: lines(answer, "{}\t"),
    lambda answer: lines({name.upper(): value for name, value in answer.items()}, "{}："),
    lambda answer: f"| {' | '.join(answer)} |\n|---|---|---|\n| {' | '.join(map(str, answer.values()))} |",
    lambda answer: ",".join(answer) + "\n" + ",".join(map(str, answer.values())),
    lambda answer: f"~~~yaml\n{lines(answer)}\n~~~",
    lambda answer: "".join(f"<{name}>{value}</{name}>" for name, value in answer.items()),
    lambda answer: "".join(f"<parameter={name}>\n{value}\n</parameter>" for name, value in answer.items()),
    lambda answer: lines(answer, "<arg_key>{}</arg_key>\n<arg_value>"),
    lambda answer: "".join(f"\\{name}{{{value}}}" for name, value in answer.items()),
    lambda answer: "[",
    lambda answer: "{",
    lambda answer: '{"la',
    lambda answer: "```json\n",
]

BARE = str.maketrans("", "", "{}[]<>\n`")

READ = {
    "a sentence before": f"Here it is:\n{J}",
    "a sentence behind": f"{J}\nI hope this helps! The set {{a, b}} is meant, and [1].",
    "a list of one": f"[{J}]",
    "a mark of the byte order": f"\ufeff{J}",
    "a fence on one line": f"```json {J}```",
    "a fence that is not closed": f"```json\n{J}",
    "a draft in a first fence": f"First:\n```json\n{D}\n```\nBetter:\n```json\n{J}\n```",
    "a broken draft in a first fence": f"```json\n{D[:-20]}\n```\nOnce more:\n```json\n{J}\n```",
    "several objects": f"{D}\n{D}\n{J}",
    "tabs and line breaks within": J.replace(": ", ":\t\n"),
    "single quotes": repr(ANSWER),
    "typographic quotes": "{“label”: “cats”, “description”: “the word cat”, “confidence”: 0.9}",
    "keys without quotes": '{label: "cats", description: "the word cat", confidence: .9}',
    "commas before brackets": J[:-1] + ",\n}",
    "a number as text": J.replace("0.9", '"0.9"'),
    "percent": J.replace("0.9", '"90%"'),
    "percent without quotes": J.replace("0.9", "90%"),
    "a key more": J[:-1] + ', "note": null}',
    "a draft in a key": J[:-1] + f', "draft": {D}}}',
    "a draft in a key before": f'{{"draft": {D}, ' + J[1:],
    "a wrapper": f'{{"answer": {J}}}',
    "a wrapper of any name": f'{{"Label": {J}}}',
    "a wrapper with reasons": f'{{"reasoning": "a draft would be {{}}", "answer": {J}, "n": 3}}',
    "two wrappers and lists": f'[{{"result": [{{"output": {J}}}]}}]',
    "a call of a function": f'<tool_call>{{"name": "Label", "arguments": {J}}}</tool_call>',
    "a call with a string": json.dumps({"name": "Label", "arguments": J}),
    "the schema with values": f'{{"type": "object", "properties": {J}}}',
    "a string of JSON": json.dumps(J),
    "a string without its quotes": json.dumps(J)[1:-1],
    "two braces": f"{{{J}}}",
    "a box": f"$\\boxed{{{J}}}$",
    "a tag": f"<answer>{J}</answer>",
    "thinking": f"<think>perhaps {D}</think>\n{J}",
    "thinking without its beginning": f"perhaps {D}\n</think>\n{J}",
    "thinking that breaks off in an object": f'perhaps {{"label": "dogs", so\n</think>\n{J}',
    "other tags of thinking": f"<reasoning>{D}</reasoning>[THINK]{D}[/THINK]◁think▷{D}◁/think▷{J}",
    "channels": f"<|channel|>analysis<|message|>{D}<|end|><|start|>assistant<|channel|>final<|message|>{J}<|return|>",
    "channels without their marks": f"analysisWe try {D}.assistantfinal{J}",
    "a call of a function within its kind": json.dumps(
        {"type": "function", "function": {"name": "Label", "arguments": J}}
    ),
    "a fence in a string": json.dumps({"answer": f"```json\n{J}\n```"}),
    "parts of a content": json.dumps({"content": [{"type": "text", "text": J}]}),
    "a mark of the byte order within": "{\ufeff" + J[1:].replace(": ", ":\u200b "),
    "a reflection behind": f"{J}\n<reflection>That is good.</reflection>",
}

REFUSED = {
    "nothing": "",
    "words": "cats",
    "a cut object": J[:-5],
    "a cut string": J[:20],
    "a draft, then a broken answer": f"{D}\nBetter:\n{J[:-1]}",
    "a draft, then a broken answer in a fence": f"```json\n{D}\n```\n```json\n{J[:-3]}\n```",
    "a draft, then an answer that does not fit": f'{D}\n{{"label": "cats"}}',
    "a draft, then an answer without braces": f'{D}\nBetter: "label": "cats", "confidence": 0.9',
    "a draft, then an answer as a list of lines": f"{D}\nBetter:\n**label**: cats\n**description**: c\n**confidence**: 1",
    "a draft in a broken object": f'{{"label": "cats", "draft": {D}, "description": "the',
    "a draft behind a quote that was not escaped": f'{{"label": "the "}}" sign", "draft": {D}, "confidence": 1}}',
    "nothing but a draft": f'{{"draft": {D}}}',
    "a draft beside a broken answer": f'{{"draft": {D}, "answer": {{"label": 3}}}}',
    "a correction beside it": json.dumps({"answer": DRAFT, "corrected": ANSWER}),
    "a revision beside it": json.dumps({"response": DRAFT, "revised_response": ANSWER}),
    "an answer within a draft": json.dumps({**DRAFT, "final_answer": ANSWER}),
    "an answer within a draft, as a string": json.dumps({**DRAFT, "final_answer": J}),
    "a draft that an answer in another notation quotes": f"{D}\nLabel(label='x', confidence=1, description='{D}')",
    "a draft that an answer without quotes holds": f"{D}\nlabel: x, confidence: 1, description: {D}",
    "a draft that was rejected": json.dumps({"rejected": DRAFT}),
    "a draft of an unknown name": json.dumps({"superseded": DRAFT}),
    "an old answer": json.dumps({"oldAnswer": DRAFT}),
    "two answers of one name each": f'{{"answer": {D}, "result": {J}}}',
    "a list of two": f"[{D}, {J}]",
    "nothing but thinking": f"<think>{D}</think>\nI do not know.",
    "thinking that never ends": f"<think>perhaps {D}",
    "thinking, then refusing": f"hm {D}</think> No.",
    "only the channel of thinking": f"<|channel|>analysis<|message|>{D}",
    "only the channel of thinking, without marks": f"analysisWe try {D}.",
    "a key with two values": J[:-1] + ', "label": "dogs"}',
    "the schema": json.dumps(Label.model_json_schema()),
    "not a number": J.replace("0.9", "NaN"),
    "no confidence at all": J.replace("0.9", '"very"'),
    "a label without end": J.replace("cats", "cats " * 1000),
    "a text without end": J + " " * LONGEST + ".",
    "strings that join": "{'label': 'ca' 'ts', 'description': 'the word cat', 'confidence': 0.9}",
    "brackets without end": "[" * 100_000,
    "braces without end": '{"a":' * 50_000,
}


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_what_is_read(text):
    assert fit(text, Label).model_dump() == ANSWER
    assert is_json(text)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(text):
    began = time.process_time()
    with pytest.raises(ValueError, match=r"\S") as caught:
        fit(text, Label)
    assert str(caught.value).isprintable()
    assert time.process_time() - began < 5


SAID = [
    "Fires in {key: value} pairs",
    'The set {"a", "b"} is meant.',
    'It fires on "cat" and on the sign }.',
    'It fires on "}".',
    "It's about {x: y, z}.",
    'Use {"key": "value"} elsewhere.',
    "For example:\n```\nthe cat sat\n```",
    'For example:\n```python\nx = {"a": 1}\n```',
    "the tag </think> is what fires",
    'It fires on "</think>".',
    'the "label" field says it',
    "I chose the label (see above); the confidence is 0.9, since it is in 9/10.",
]


@pytest.mark.parametrize("behind", SAID)
def test_sentences_behind_an_answer_are_only_sentences(behind):
    for between in ("\n", "\n\n", " "):
        assert fit(f"{J}{between}{behind}", Label).model_dump() == ANSWER


@pytest.mark.parametrize("notation", range(len(NOTATIONS)))
def test_a_draft_is_not_taken_where_an_answer_in_another_notation_follows(notation):
    for between in ("\n", "\nBetter:\n", " ", "\n```\n"):
        with pytest.raises(ValueError, match=r"\S"):
            fit(D + between + NOTATIONS[notation](ANSWER), Label)


@pytest.mark.parametrize(
    "unit",
    [
        *'\n"[{}`<',
        '"}',
        "[]",
        "{x: 1}",
        '{"a"} ',
        "<a",
        "label\n",
        "label|",
        "label -\n",
        "> ",
        "<think>",
        "the </think> ",
    ],
)
def test_no_text_takes_long(unit):
    for begin in (J, ""):
        text = (begin + unit * 100_000)[: LONGEST // 4] + "x"
        began = time.process_time()
        with contextlib.suppress(ValueError):
            fit(text, Label)
        assert time.process_time() - began < 5


def test_what_an_answer_quotes_is_not_looked_at():
    for quoted in ("</think>", "```json\n{}\n```", D, "assistantfinal{", "<|channel|>final<|message|>", '"label": "x"'):
        answer = ANSWER | {"description": f"the text {quoted}"}
        assert fit(f"Here:\n{json.dumps(answer)}\nDone.", Label).model_dump() == answer


GUESSES = '{"active": ["1: cat=9", "2: it\'s=4"], "silent": [3, 4]}'


@pytest.mark.parametrize(
    "text",
    [
        GUESSES.replace("=9", '=9" "7: x=1'),
        GUESSES.replace(", 4]", ", 4, ...]"),
        GUESSES.replace(", 4]", ",, 4]"),
        GUESSES.replace(", 4]", ", 4 // and so on\n]"),
        GUESSES.replace("]}", "}"),
        GUESSES[:-1] + ', "silent": [3]}',
        GUESSES.replace(', "silent": [3, 4]', ""),
        "{'active': ['1: cat=9', '2: it's=4'], 'silent': [3, 4]}",
        f'{GUESSES}\nand {{"silent": [5]}}',
    ],
)
def test_a_list_is_whole_or_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        fit(text, Guesses)


def test_guesses_are_read_in_every_dress():
    whole = json.loads(GUESSES)
    for text in (
        GUESSES,
        repr(whole),
        GUESSES.replace("]", ",]"),
        f"```\n{GUESSES}\n``` as asked",
        json.dumps(GUESSES),
    ):
        assert fit(text, Guesses).model_dump() == whole


def test_a_correction_of_a_part_is_not_overlooked():
    verdicts = '{"contexts": [{"id": 1, "yes": true}]}'
    assert fit(verdicts, Verdicts).contexts[0].yes
    with pytest.raises(ValueError, match="broken"):
        fit(f'{verdicts}\nNo: {{"id": 1, "yes": false}}', Verdicts)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.sampled_from(
    ["the token }", '"quoted"', "it's", "</think>", "```json", "{", "[", "a\\b", "“x”", "label: y", "assistantfinal", D]
)
ANSWERS = st.fixed_dictionaries(
    {"label": TEXTS, "description": TEXTS, "confidence": st.floats(0, 1).map(lambda x: round(x, 3))}
)
PROSE = st.sampled_from(
    [
        "",
        "Here it is:",
        "Sure! {a, b} and [1]:",
        "The label (as JSON):",
        "Note: it's {x}.",
        "I looked at “cat”, 9:",
        "# Answer",
    ]
)


def dump(value):
    return json.dumps(value, ensure_ascii=False)


WRITINGS = [
    dump,
    json.dumps,
    repr,
    lambda value: json.dumps(value, indent=2),
    lambda value: dump(value)[:-1] + " ,}",
    lambda value: dump({**value, "note": "none"}),
    lambda value: dump({**value, "draft": DRAFT}),
    lambda value: dump({"draft": DRAFT, **value}),
    lambda value: dump({**value, "confidence": str(value["confidence"])}),
    lambda value: dump([value]),
    lambda value: dump({"answer": value}),
    lambda value: dump({"thoughts": "hm", "answer": value}),
    lambda value: dump({"draft": DRAFT, "final": value}),
    lambda value: dump({"name": "Label", "arguments": dump(value)}),
    lambda value: dump({"result": [value]}),
]
WRAPPINGS = [
    lambda text, prose: text,
    lambda text, prose: f"{prose}\n{text}",
    lambda text, prose: f"{text}\n{prose}",
    lambda text, prose: f"\ufeff{text}",
    lambda text, prose: f"{prose}\n```json\n{text}\n```\n{prose}",
    lambda text, prose: f"```\n{text}",
    lambda text, prose: f"```JSON {text}```",
    lambda text, prose: f"{prose}\n```json\n{D}\n```\nBetter:\n```json\n{text}\n```",
    lambda text, prose: f"{D}\n{prose}\n{text}",
    lambda text, prose: f"<think>\n{prose} {D}\n</think>\n{text}",
    lambda text, prose: f"{prose} {D}\n</think>\n\n{text}",
    lambda text, prose: f"analysisWe try {D}.assistantfinal{text}",
    lambda text, prose: f"<|channel|>analysis<|message|>{D}<|end|><|channel|>final<|message|>{text}",
    lambda text, prose: f"<answer>{text}</answer>",
]


@settings(max_examples=1_600, deadline=None)
@given(ANSWERS, st.sampled_from(WRITINGS), st.lists(st.sampled_from(WRAPPINGS), max_size=2), PROSE)
def test_an_answer_is_read_through_whatever_stands_around_it(answer, writing, wrappings, prose):
    text, fenced = writing(answer), False
    for wrapping in wrappings:
        again = wrapping(text, prose)
        if not fenced or again.count("```") == text.count("```"):  # a fence in a fence ends it
            text = again
        fenced |= wrapping("", "").count("```") > 0
    assert fit(text, Label).model_dump() == answer


@settings(max_examples=400, deadline=None)
@given(
    ANSWERS.filter(lambda answer: D not in answer.values()),
    st.sampled_from(NOTATIONS),
    st.sampled_from(WRITINGS[:4]),
    st.sampled_from(WRAPPINGS),
    PROSE,
)
def test_no_draft_is_taken_before_another_notation(answer, notation, writing, wrapping, prose):
    # Without brackets: what an answer without quotes holds cannot be told from what it is.
    answer = {name: value.translate(BARE) if isinstance(value, str) else value for name, value in answer.items()}
    with pytest.raises(ValueError, match=r"\S"):
        fit(f"{wrapping(writing(DRAFT), prose)}\n{prose}\n{notation(answer)}", Label)


@settings(max_examples=800, deadline=None)
@given(st.data())
def test_damage_is_never_read_as_a_draft_or_a_wrong_object(data):
    answer = data.draw(ANSWERS)
    writing = dump(answer)
    cut = data.draw(st.integers(1, len(writing) - 1))
    kind = data.draw(st.sampled_from(["cut", "drop", "double", "insert"]))
    if kind == "cut":
        damaged = writing[:cut]
    elif kind == "drop":
        damaged = writing[:cut] + writing[cut + 1 :]
    elif kind == "double":
        damaged = writing[:cut] + writing[cut] + writing[cut:]
    else:
        damaged = writing[:cut] + data.draw(st.sampled_from([*"{}[]\"',:\\\n", "```", "</think>"])) + writing[cut:]
    wrapping = data.draw(st.sampled_from(WRAPPINGS))
    try:
        found = fit(wrapping(damaged, ""), Label).model_dump()
    except ValueError:
        return
    assert found != DRAFT or answer == DRAFT
    assert found.keys() == answer.keys()
    # Where it is read at all, one character is all that it can differ by.
    same = [found[field] == answer[field] for field in answer]
    assert sum(same) >= 2 or kind != "cut"
