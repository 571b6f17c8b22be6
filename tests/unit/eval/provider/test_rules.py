"""The rules on the prompts as they are rendered: what is answered fits, and can be read back."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eval.provider.rules import PLAIN, answer, explain, marked_words, odd_one, places, quoted, simulate
from labeler.explainers.llm import Label
from labeler.fence import plain
from labeler.prompts import load_prompt
from labeler.scorers.intruder import Choices
from labeler.scorers.yes_no import Verdicts
from labeler.simulators.quotes import Guesses, read


def rendered(name, schema, **values):
    return schema.model_validate_json(answer(load_prompt(name).render(**values), schema.model_json_schema()))


def test_the_words_that_are_marked_most_make_the_label():
    found = rendered(
        "explain",
        Label,
        active=[
            "of the⟦ slave⟧8 trade",
            "freed⟦ Slaves⟧9 and a⟦ slave⟧3",
            "ens⟦lave⟧2d; the⟦ slaves⟧5 of",
            "a⟦ boat⟧1",
        ],
        silent=["the slaver, the slaver, the slaver"],
        promoted="' ship'",
    )
    assert found.label == 'the words "slave", "slaves"'
    assert '"slave"' in found.description
    assert '"slaves"' in found.description
    assert found.confidence == round(4 / 6, 2)


def test_one_word_is_a_word():
    assert explain("⟦March⟧9 x ⟦march⟧9")["label"] == 'the word "march"'


def test_no_label_where_nothing_repeats():
    found = rendered("explain", Label, active=["a⟦ b⟧8", "c⟦ d⟧8"], silent=["b b b"], promoted="")
    assert (found.label, found.description) == ("", "")


def test_marks_of_punctuation_count_where_no_word_is_marked():
    assert explain("a⟦(⟧9 b ⟦(⟧5 c")["label"] == 'the word "("'


def test_a_word_marked_in_part_counts_whole():
    assert marked_words("the sl⟦ave⟧8s, ⟦Don't⟧2 go ⟦in to⟧ it") == ["slaves", "don't", "in", "to"]


def test_quotes_go_before_words_that_mean_something():
    assert quoted('the word "Penny" or “half a crown”') == ["penny", "half a crown"]
    assert quoted("coins of the realm") == ["coins", "realm"]


def test_quoted_words_are_simulated_where_they_stand():
    contexts = [("The", " slave", " was", " a", " Slave", ";", " slave"), (" enslaved",), (" no", " Slaves", "↵")]
    lines = ["".join(tokens).strip() for tokens in contexts]
    guesses = rendered("sparse", Guesses, explanation='the words "slave", "slaves"', contexts=lines)
    assert guesses.silent == [2]
    found = read(guesses, contexts, 7)
    assert found[0].values.tolist() == [0, 6, 0, 0, 6, 0, 6]
    assert found[1].values.tolist() == [0] * 7
    assert found[2].values.tolist() == [0, 6, 0, 0, 0, 0, 0]
    assert sum(one.n_repaired for one in found.values()) == 0


TEXTS = st.lists(st.sampled_from(["the", "The", " ", "don't", "a", "a-b", "'", "_", "x=1", "#2", "(", "é", "3", "."]))


@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from(["the", "a", "don", "x", "the a", "(", "é", "_", "3"]))
@example([["a", " ", "a", "#2"]], "a")
def test_every_simulation_can_be_read_back(contexts, phrase):
    lines = [f"{at}| {''.join(tokens).strip()}" for at, tokens in enumerate(contexts, start=1)]
    guesses = Guesses.model_validate(simulate(f'the word "{phrase}"', lines))
    found = read(guesses, contexts, max(1, *map(len, contexts)))
    assert sorted(found) == list(range(len(contexts)))


def test_a_phrase_is_found_as_a_whole():
    assert places("in the", "in a, in the, the in the") == ["in#2", "the#1", "in#3", "the#3"]


@pytest.mark.parametrize("name", ["detection", "discrimination"])
def test_judges_say_yes_to_contexts_with_a_quoted_word(name):
    found = rendered(name, Verdicts, explanation='the word "penny"', questions=["a Penny", "pennyworth", "two\npenny"])
    assert [(one.id, one.yes) for one in found.contexts] == [(1, True), (2, False), (3, True)]


def test_only_marked_words_count_where_there_are_marks():
    shown = ["a⟦ penny⟧ here", "a penny⟦ here⟧"]
    found = rendered("fuzzing", Verdicts, explanation='the word "penny"', questions=shown)
    assert [one.yes for one in found.contexts] == [True, False]


def test_the_odd_one_is_the_one_marked_elsewhere():
    sets = [["⟦a⟧ x", "⟦a⟧ y", "z⟦ q⟧", "⟦A⟧", "⟦a⟧"], ["⟦r⟧", "⟦b⟧", "⟦b⟧", "⟦b⟧", "⟦b⟧"]]
    found = rendered("intruder", Choices, questions=sets)
    assert [(one.id, one.odd) for one in found.sets] == [(1, 3), (2, 1)]
    assert odd_one("nothing") == 1


def test_what_no_rule_speaks_of_is_filled_in():
    schema = {"type": "object", "properties": {"label": {"type": "string"}, "n": {"type": "integer", "minimum": 3}}}
    assert json.loads(answer("no evidence here", schema)) == {"label": "", "n": 3}
    assert answer("anything", None) == PLAIN


@given(st.text(), st.text())
def test_no_text_breaks_a_rule(explanation, text):
    explanation, text = plain(explanation), plain(text)
    rendered("sparse", Guesses, explanation=explanation, contexts=[text])
    rendered("detection", Verdicts, explanation=explanation, questions=[text])
    rendered("explain", Label, active=[f"⟦{text}⟧3 ⟦{text}⟧4"], silent=[], promoted="")
